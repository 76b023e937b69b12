/** The curves page in a real browser, with VS Code's policy, themes and message channel played by `open.ts`. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Locator } from 'playwright-core';
import { type Browser, openBrowser } from '../../../scripts/workbench/browser.ts';
import { CurvesFeed } from '../../../src/extension/panels/curvesFeed.ts';
import type { RunChange, ToCurves } from '../../../webview/protocol.ts';
import { type OpenPage, openWebview } from './open.ts';
import { curvesSnapshot, part, RUN, runsSnapshot, sampleRun, severalRuns, STEPS } from './samples.ts';

describe('curves page', () => {
  let browser: Browser;
  let view: OpenPage;
  let plot: Locator;
  before(async () => (browser = await openBrowser()));
  after(() => browser.close());
  beforeEach(async () => {
    view = await openWebview(browser.page, 'curves');
    plot = view.page.locator('.plot').first();
  });

  const kinds = async (): Promise<readonly unknown[]> => (await view.sent()).map(({ kind }) => kind);
  const button = (name: string): Locator => view.page.getByRole('button', { name, exact: true });
  const pressed = (locator: Locator): Promise<string | null> => locator.getAttribute('aria-pressed');
  const tooltip = (): Promise<string> => plot.locator('.tooltip').innerText();
  /** Of the x axis, as the keyboard's cursor finds it: the first and the last stop in view. */
  const ends = async (): Promise<readonly string[]> => {
    await plot.focus();
    const found: string[] = [];
    for (const key of ['Home', 'End']) {
      await view.page.keyboard.press(key);
      await view.drawn();
      found.push(/epoch ([\d.]+)/.exec(await tooltip())![1]!);
    }
    await view.page.keyboard.press('Escape');
    return found;
  };
  const stepIn = (text: string): number => Number(/step ([\d,]+)/.exec(text)![1]!.replaceAll(',', ''));
  /** As {@link ends}, where the axis counts steps. */
  const stepEnds = async (): Promise<readonly number[]> => {
    await plot.focus();
    const found: number[] = [];
    for (const key of ['Home', 'End']) {
      await view.page.keyboard.press(key);
      await view.drawn();
      found.push(stepIn(await tooltip()));
    }
    await view.page.keyboard.press('Escape');
    return found;
  };
  const increment = (number: number, ...changed: readonly RunChange[]): ToCurves => ({
    kind: 'increment',
    number,
    more: false,
    changed,
    gone: [],
  });
  const nextEpoch = (number: number): ToCurves =>
    increment(number, {
      directory: RUN,
      name: 'digits/runs/seed-1',
      series: [
        part(
          'train/loss',
          Array.from({ length: STEPS }, (_, index) => [20 * STEPS + index + 1, 21, 0.1]),
          20 * STEPS,
        ),
        part('val/loss', [[21 * STEPS, 21, 0.2]], 20),
      ],
      removed: [],
    });

  test('asks for its data, and draws a chart per quantity', async () => {
    assert.deepEqual(await kinds(), ['ready']);
    await view.post(curvesSnapshot(sampleRun()));
    assert.deepEqual(await view.page.locator('h2').allInnerTexts(), ['Loss', 'Accuracy', 'Learning rate']);
    assert.deepEqual(await view.page.locator('.chart').first().locator('.legend-item').allInnerTexts(), [
      'train/loss\n0.05280',
      'val/loss\n0.1381',
    ]);
    view.assertClean();
  });

  test('zoom, hidden lines, scale, axis and smoothing survive live updates and a reload', async () => {
    await view.post(curvesSnapshot(sampleRun(20)));
    assert.deepEqual(await ends(), ['1', '20']);
    const box = (await plot.boundingBox())!;
    await view.page.mouse.move(box.x + box.width * 0.4, box.y + 100);
    await view.page.mouse.down();
    await view.page.mouse.move(box.x + box.width * 0.8, box.y + 104, { steps: 4 });
    await view.page.mouse.up();
    await button('Log').first().click();
    await view.page.locator('.legend-item').first().click();
    await view.page.getByLabel('Smoothing').fill('0.9');
    await view.drawn();
    const zoomed = await ends();
    assert.ok(Number(zoomed[0]) > 5 && Number(zoomed[1]) < 18, zoomed.join(' to '));

    const check = async (): Promise<void> => {
      assert.deepEqual(await ends(), zoomed);
      assert.equal(await pressed(button('Log').first()), 'true');
      assert.equal(await pressed(view.page.locator('.legend-item').first()), 'false');
      assert.equal(await view.page.getByLabel('Smoothing').inputValue(), '0.9');
    };
    await view.post(nextEpoch(2));
    assert.match(await view.page.locator('.legend-item').nth(1).innerText(), /0\.2000/);
    await check();
    await view.reload();
    assert.deepEqual(await kinds(), ['smoothing', 'ready']);
    await view.post(curvesSnapshot(sampleRun(20), 3));
    await check();

    await button('Reset zoom').click();
    await view.drawn();
    assert.deepEqual(await ends(), ['1', '20']);
    assert.equal(await button('Reset zoom').isDisabled(), true);
    view.assertClean();
  });

  test('asks for a snapshot when a number is missing', async () => {
    await view.post(curvesSnapshot(sampleRun(20)));
    await view.post(nextEpoch(3));
    assert.deepEqual(await kinds(), ['ready', 'resync']);
    await view.post(curvesSnapshot(sampleRun(20), 4));
    await view.post(nextEpoch(5));
    assert.deepEqual(await ends(), ['1', '21']);
  });

  test('a checkpoint is revealed by click and by Enter, a star opens its result', async () => {
    const run = sampleRun();
    await view.post(curvesSnapshot(run));
    await plot.focus();
    await view.page.keyboard.press('Home');
    await view.page.keyboard.press('ArrowRight');
    assert.match(await tooltip(), /epoch-002\.safetensors\s+epoch 2 · step 80/);
    assert.match(await plot.locator('[aria-live]').innerText(), /epoch-002\.safetensors, epoch 2, step 80/);
    await view.page.keyboard.press('Enter');
    await view.page.keyboard.press('Escape');
    // The star is the last thing on the right: find it with the pointer, as a user would.
    const box = (await plot.boundingBox())!;
    for (let y = 10; y < box.height - 30; y += 3) {
      await view.page.mouse.move(box.x + box.width - 12, box.y + y);
      if (!(await plot.locator('.tooltip').isVisible()) || !(await tooltip()).includes('twa-1')) continue;
      assert.match(await tooltip(), /loss 0\.09120 \[0\.05710, 0\.1322\] on the report split/);
      await view.page.mouse.down();
      await view.page.mouse.up();
      break;
    }
    assert.deepEqual((await view.sent()).slice(1), [
      { kind: 'reveal', path: run.checkpoints[1]!.path },
      { kind: 'openReport', path: run.averages[0]!.reportPath },
    ]);
  });

  test('the data table has the numbers of the charts, and ways to every checkpoint', async () => {
    const run = sampleRun();
    await view.post(curvesSnapshot(run));
    await button('Show data table').click();
    await view.drawn();
    const table = view.page.getByRole('table', { name: 'loss, 30 of 30 points' });
    assert.equal(await table.locator('tbody tr').count(), 30);
    assert.match(await table.locator('tbody tr').last().innerText(), /^30\s+0\.05280\s+0\.1381$/);
    await view.page.getByRole('button', { name: 'Open result: twa-1.safetensors' }).click();
    assert.deepEqual((await view.sent()).at(-1), {
      kind: 'openReport',
      path: run.averages[0]!.reportPath,
    });
  });

  test('picks runs: one more, only one, the newest again', async () => {
    await view.post(curvesSnapshot(sampleRun()));
    await button('digits/runs/seed-1').first().click();
    await view.drawn();
    await view.page.getByRole('checkbox', { name: 'digits/runs/seed-2' }).check();
    await view.page.locator('.run-name').last().click();
    await view.page.getByLabel('Newest run').check();
    assert.deepEqual((await view.sent()).slice(1), [
      { kind: 'selectRuns', directories: [RUN, '/data/digits/runs/seed-2'] },
      { kind: 'selectRuns', directories: ['/data/digits/runs/seed-2'] },
      { kind: 'selectRuns', directories: null },
    ]);
  });

  describe('several runs', () => {
    const names = ['digits/runs/seed-1', 'digits/runs/seed-2', 'digits/runs/seed-3', 'digits/runs/seed-4'];
    const strokes = async (): Promise<Readonly<Record<string, string | null>>> =>
      Object.fromEntries(
        await Promise.all(
          names.map(async (name) => {
            const row = view.page.locator('.runs li').filter({ hasText: name });
            const line = row.locator('line');
            return [name, (await line.count()) === 0 ? null : await line.getAttribute('stroke')] as const;
          }),
        ),
      );

    test('stand in one chart per quantity, each with a colour that it keeps', async () => {
      const runs = severalRuns();
      await view.post(runsSnapshot(runs));
      assert.deepEqual(await view.page.locator('h2').allInnerTexts(), ['Loss', 'Accuracy', 'Learning rate']);
      const before = await strokes();
      assert.equal(new Set(Object.values(before)).size, 4);
      // Without one of them, and after a reload, the others are what they were.
      await view.post({
        kind: 'increment',
        number: 2,
        more: false,
        changed: [],
        gone: [runs[1]!.directory],
        wanted: [0, 2, 3].map((index) => runs[index]!.directory),
      });
      assert.deepEqual(await strokes(), { ...before, [names[1]!]: null });
      await view.page.waitForTimeout(200);
      await view.reload();
      await view.post(runsSnapshot([runs[3]!, runs[0]!]));
      assert.deepEqual(await strokes(), { ...before, [names[1]!]: null, [names[2]!]: null });
      view.assertClean();
    });

    test('the tooltip has every run at that step, but none that was over by then', async () => {
      await view.post(runsSnapshot(severalRuns()));
      await view.page.getByLabel('X axis', { exact: true }).selectOption('step');
      await view.drawn();
      const box = (await plot.boundingBox())!;
      const rows = async (share: number): Promise<readonly string[]> => {
        await view.page.mouse.move(box.x + box.width * share, box.y + 30);
        await view.drawn();
        return (await plot.locator('.tooltip-name').allInnerTexts()).map((text) => text.replace(/ @.*/, ''));
      };
      const everywhere = names.flatMap((name) => [`${name} train/loss`, `${name} val/loss`]).sort();
      assert.deepEqual([...(await rows(0.41))].sort(), everywhere);
      assert.deepEqual(
        [...(await rows(0.9))].sort(),
        everywhere.filter((label) => !label.startsWith(names[1]!)),
      );
    });

    test('a run that was resumed says so, and its line ends where the log ends', async () => {
      const [run] = severalRuns(1);
      await view.post(runsSnapshot([run!]));
      const legend = view.page.locator('.legend-item').first();
      assert.match(
        (await legend.getAttribute('title'))!,
        /^Show or hide train\/loss\n\d+ points logged before/,
      );
      assert.equal((await ends())[1], '29');
    });

    test('axes of time and logarithmic x show every run from its own start, or by the clock', async () => {
      await view.post(runsSnapshot(severalRuns()));
      const axis = view.page.getByLabel('X axis', { exact: true });
      await axis.selectOption('relative');
      await view.drawn();
      await plot.focus();
      await view.page.keyboard.press('Home');
      assert.match(await tooltip(), /^(epoch-\d+\.safetensors\s+)?relative time \d+:\d\d/);
      await axis.selectOption('wall');
      await view.drawn();
      await plot.focus();
      await view.page.keyboard.press('Home');
      assert.match(await tooltip(), /^(epoch-\d+\.safetensors\s+)?wall time Oct 14, 2026/);
      await axis.selectOption('step');
      await button('Log scale on the x axis').click();
      await button('Envelope').click();
      await view.drawn();
      assert.equal(await pressed(button('Envelope')), 'true');
      view.assertClean();
    });
  });

  describe('selecting checkpoints on the curve', () => {
    const drag = async (from: number, to: number): Promise<void> => {
      const box = (await plot.boundingBox())!;
      await view.page.mouse.move(box.x + box.width * from, box.y + 60);
      await view.page.mouse.down();
      await view.page.mouse.move(box.x + box.width * to, box.y + 90, { steps: 4 });
      await view.page.mouse.up();
      await view.drawn();
    };
    const bar = (): Locator => view.page.getByRole('region', { name: 'Selected checkpoints' });

    test('by a drag: what was selected is offered to be averaged, stays over live updates, and zooms nothing', async () => {
      await view.post(curvesSnapshot(sampleRun(20)));
      await button('Select checkpoints').click();
      await drag(0.5, 0.75);
      const text = await bar().innerText();
      const [, count, first, last] = /(\d+) checkpoints selected, epoch-(\d+)\S* to epoch-(\d+)/.exec(text)!;
      assert.equal(Number(count), Number(last) - Number(first) + 1);
      assert.ok(Number(count) >= 4 && Number(count) <= 6, text);
      assert.equal(await button('Reset zoom').isDisabled(), true);
      await view.post(nextEpoch(2));
      assert.equal(await bar().innerText(), text);
      await bar().getByRole('button', { name: 'Average…' }).click();
      const sent = (await view.sent()).at(-1)!;
      assert.equal(sent['kind'], 'averageRange');
      assert.equal(sent['directory'], RUN);
      assert.deepEqual(
        sent['paths'],
        sampleRun(20)
          .checkpoints.slice(Number(first) - 1, Number(last))
          .map(({ path }) => path),
      );
      await bar().getByRole('button', { name: 'Clear selection' }).click();
      await view.drawn();
      assert.equal(await bar().isVisible(), false);
    });

    test('by keyboard, and read out', async () => {
      await view.post(curvesSnapshot(sampleRun(20)));
      await plot.focus();
      for (const key of ['Home', 'ArrowRight', 's', 'ArrowRight', 'ArrowRight', 'Enter']) {
        await view.page.keyboard.press(key);
      }
      await view.drawn();
      assert.match(
        await plot.locator('[aria-live]').innerText(),
        /^3 checkpoints selected, epoch-002\.safetensors to epoch-004\.safetensors$/,
      );
      await view.page.keyboard.press('a');
      const sent = (await view.sent()).at(-1)!;
      assert.deepEqual(
        sent['paths'],
        sampleRun(20)
          .checkpoints.slice(1, 4)
          .map(({ path }) => path),
      );
    });

    test('Alt+drag selects without the mode, and zooms within it', async () => {
      await view.post(curvesSnapshot(sampleRun(20)));
      await view.page.keyboard.down('Alt');
      await drag(0.5, 0.75);
      await view.page.keyboard.up('Alt');
      assert.equal(await bar().isVisible(), true);
      await button('Select checkpoints').click();
      await view.page.keyboard.down('Alt');
      await drag(0.5, 0.75);
      await view.page.keyboard.up('Alt');
      assert.equal(await button('Reset zoom').isDisabled(), false);
    });
  });

  test('zooms along y alone, pans, and comes back by a double click', async () => {
    await view.post(curvesSnapshot(sampleRun()));
    const box = (await plot.boundingBox())!;
    // As drawn: the pixels of the canvas.
    const picture = (): Promise<string> =>
      plot.locator('canvas').evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL());
    const whole = await picture();
    await view.page.mouse.move(box.x + 200, box.y + 60);
    await view.page.mouse.down();
    await view.page.mouse.move(box.x + 204, box.y + 160, { steps: 4 });
    await view.page.mouse.up();
    await view.page.mouse.move(box.x + 200, box.y + box.height + 30);
    await view.drawn();
    assert.notEqual(await picture(), whole);
    assert.deepEqual(await ends(), ['1', '30']);
    await view.page.keyboard.press('+');
    await view.drawn();
    const [from, to] = (await ends()).map(Number);
    await plot.focus();
    await view.page.keyboard.press('Shift+ArrowRight');
    await view.drawn();
    const [pannedFrom, pannedTo] = (await ends()).map(Number);
    assert.ok(pannedFrom! > from! && pannedTo! > to!, `${from} ${to} ${pannedFrom} ${pannedTo}`);
    // The other charts follow along x.
    const other = view.page.locator('.plot').nth(1);
    await other.focus();
    await view.page.keyboard.press('Home');
    assert.ok((await other.locator('.tooltip').innerText()).includes(`epoch ${pannedFrom}`));
    await view.page.keyboard.press('Escape');
    await plot.locator('canvas').dblclick({ position: { x: 300, y: 100 } });
    await view.page.mouse.move(box.x + 200, box.y + box.height + 30);
    await plot.evaluate((element) => (element as unknown as { blur(): void }).blur());
    await view.drawn();
    assert.equal(await picture(), whole);
    assert.equal(await button('Reset zoom').isDisabled(), true);
  });

  test('a rectangle zooms both axes; the wheel zooms and pans with Ctrl, the pointer pans with Shift', async () => {
    await view.post(curvesSnapshot(sampleRun()));
    const { mouse, keyboard } = view.page;
    const box = (await plot.boundingBox())!;
    const [left, top] = [box.x + 200, box.y + 60];
    interface Zooms {
      readonly xZoom: { readonly min: number; readonly max: number } | null;
      readonly yZoom: Readonly<Record<string, { readonly min: number; readonly max: number }>>;
    }
    /** As the page remembers it, a moment later. */
    const zooms = async (isThere: (zooms: Zooms) => boolean): Promise<Zooms> => {
      for (;;) {
        const now = await view.page.evaluate<Zooms | undefined>('acquireVsCodeApi().getState()');
        if (now !== undefined && isThere(now)) return now;
        await view.drawn();
      }
    };
    await mouse.move(left, top);
    await mouse.down();
    await mouse.move(left + 150, top + 80, { steps: 4 });
    await mouse.up();
    const { xZoom: first, yZoom } = await zooms(({ xZoom, yZoom }) => xZoom !== null && 'loss' in yZoom);
    assert.ok(
      yZoom['loss']!.max > yZoom['loss']!.min && Object.keys(yZoom).length === 1,
      'of this chart only',
    );

    // About the pointer: what is under it stays there.
    await keyboard.down('Control');
    await mouse.move(left, top);
    await mouse.wheel(0, -200);
    const { xZoom: wheeled } = await zooms(
      ({ xZoom }) => xZoom!.max - xZoom!.min < 0.9 * (first!.max - first!.min),
    );
    const { width } = (await plot.locator('canvas').boundingBox())!;
    const under = ({ min, max }: { readonly min: number; readonly max: number }): number =>
      min + ((left - box.x) / width) * (max - min);
    assert.ok(Math.abs(under(wheeled!) - under(first!)) < 0.1 * (first!.max - first!.min));
    await keyboard.down('Shift');
    await mouse.wheel(0, 120);
    await keyboard.up('Shift');
    await keyboard.up('Control');
    const { xZoom: panned } = await zooms(({ xZoom }) => xZoom!.min > wheeled!.min);
    const length = ({ min, max }: { readonly min: number; readonly max: number }): number => max - min;
    assert.ok(Math.abs(length(panned!) - length(wheeled!)) < 1e-9, 'panned, not zoomed');

    await view.drawn();
    await keyboard.down('Shift');
    await mouse.down();
    await mouse.move(left + 100, top, { steps: 4 });
    await mouse.up();
    await keyboard.up('Shift');
    const { xZoom: dragged } = await zooms(({ xZoom }) => xZoom!.min < panned!.min);
    assert.ok(Math.abs(length(dragged!) - length(panned!)) < 1e-9);
    view.assertClean();
  });

  test('new points leave the place, the focus and the list of runs as they are', async () => {
    await view.page.setViewportSize({ width: 1200, height: 420 });
    await view.post(runsSnapshot(severalRuns(30)));
    const places = (): Promise<unknown> =>
      view.page.evaluate(`[document.documentElement.scrollTop, document.querySelector('.runs ul').scrollTop,
        document.activeElement.className]`);
    await view.page.evaluate(`document.documentElement.scrollTop = 150;
      document.querySelector('.runs ul').scrollTop = 90`);
    await view.page
      .locator('.legend-item')
      .first()
      .evaluate((element) =>
        (element as unknown as { focus(options: object): void }).focus({ preventScroll: true }),
      );
    const before = await places();
    assert.deepEqual((before as readonly number[]).slice(0, 2), [150, 90]);
    const runs = severalRuns(30);
    for (let number = 2; number < 5; number++) {
      await view.post(
        increment(number, {
          directory: runs[0]!.directory,
          name: runs[0]!.name,
          series: [
            part('train/loss', [[5000 + number, 60, 0.1]], runs[0]!.series[0]!.values.length + number - 2),
          ],
          removed: [],
        }),
      );
    }
    assert.deepEqual(await places(), before);
    assert.ok(!(await view.sent()).some(({ kind }) => kind === 'resync'));
  });

  test('the place that was scrolled to is there again after a reload', async () => {
    await view.page.setViewportSize({ width: 500, height: 400 });
    await view.post(curvesSnapshot(sampleRun()));
    await view.page.evaluate('document.documentElement.scrollTop = 300');
    await view.page.waitForTimeout(300);
    await view.post(nextEpoch(2));
    assert.equal(await view.page.evaluate('document.documentElement.scrollTop'), 300);
    await view.reload();
    await view.post(curvesSnapshot(sampleRun()));
    assert.equal(await view.page.evaluate('document.documentElement.scrollTop'), 300);
  });

  test('a long run comes in parts and is drawn meanwhile', async () => {
    const total = 300_000;
    const points = (from: number, to: number): readonly (readonly [number, number, number])[] =>
      Array.from({ length: to - from }, (_, index) => [from + index, NaN, Math.sin((from + index) / 5000)]);
    const run = { ...sampleRun(2), series: [{ ...part('loss', points(0, 100_000)), total }] };
    await view.post({ ...curvesSnapshot(run), more: true });
    const busy = (): Promise<string | null> => view.page.locator('.content').getAttribute('aria-busy');
    assert.equal(await busy(), 'true');
    assert.equal(await view.page.locator('.chart').count(), 1);
    await view.post({
      kind: 'increment',
      number: 2,
      more: false,
      changed: [{ ...run, series: [part('loss', points(100_000, total), 100_000)], removed: [] }],
      gone: [],
    });
    await view.page.locator('.content[aria-busy=false]').waitFor();
    await view.page.getByLabel('X axis', { exact: true }).selectOption('step');
    await plot.focus();
    await view.page.keyboard.press('End');
    assert.match(await tooltip(), /step 29\d{4}/);
  });

  test('long runs are drawn whole from their first message, and have every point in the end', async () => {
    const count = 120_000;
    const steps = Array.from({ length: count }, (_, index) => index);
    const none = steps.map(() => NaN);
    const run = {
      directory: RUN,
      name: 'long',
      series: ['train/loss', 'val/loss'].map((tag) => ({
        tag,
        source: `${RUN}/log.csv`,
        steps,
        epochs: none,
        wallTimes: none,
        values: steps.map((step) => Math.sin(step / 5000)),
      })),
      checkpoints: [],
      averages: [],
      health: [],
    };
    const all = { scanning: false, runs: [{ directory: RUN, name: 'long' }], wanted: [RUN], shown: [run] };
    const feed = new CurvesFeed();
    const first = feed.snapshot(all);
    assert.ok(first.kind === 'snapshot' && first.more && first.shown[0]?.series.length === 0);
    await view.post(first);
    await view.page.locator('.plot[aria-busy=false]').waitFor();
    const content = view.page.locator('.content');
    assert.equal(await content.getAttribute('aria-busy'), 'true', 'points are on their way');
    assert.deepEqual(await stepEnds(), [0, count - 1]);
    await plot.focus();
    const zoomIn = async (times: number): Promise<void> => {
      for (let time = 0; time < times; time++) {
        await view.page.keyboard.press('+');
        await view.drawn();
      }
    };
    await zoomIn(6);
    const zoomed = await stepEnds();
    assert.ok(zoomed[1]! - zoomed[0]! < count / 30, `zoomed to ${zoomed.join(' to ')}`);
    for (let message = feed.next(all); message !== undefined; message = feed.next(all)) {
      await view.post(message);
    }
    await view.page.locator('.content[aria-busy=false]').waitFor();
    assert.deepEqual(
      (await stepEnds()).map(
        (step) => Math.abs(step - zoomed[0]!) < 400 || Math.abs(step - zoomed[1]!) < 400,
      ),
      [true, true],
      'the zoom is as it was',
    );
    // Every point of the log, not only those of the overview.
    await view.page.keyboard.press('0');
    await view.drawn();
    await zoomIn(13);
    const [from, to] = await stepEnds();
    await view.page.keyboard.press('Home');
    await view.page.keyboard.press('ArrowRight');
    await view.drawn();
    assert.ok(to! - from! < 60, `${from} to ${to}`);
    assert.equal(stepIn(await tooltip()), from! + 1);
    view.assertClean();
  });

  test('the host is told how to smooth: at once, and before it is asked again', async () => {
    await view.post(curvesSnapshot(sampleRun()));
    await view.page.locator('#smoothing').fill('0.9');
    assert.deepEqual((await view.sent()).at(-1), { kind: 'smoothing', smoothing: 0.9 });
    await view.reload();
    assert.deepEqual(await view.sent(), [{ kind: 'smoothing', smoothing: 0.9 }, { kind: 'ready' }]);
  });

  test('explains what is missing', async () => {
    const text = (): Promise<string> => view.page.locator('.empty').innerText();
    const nothing = { ...(curvesSnapshot(undefined) as Extract<ToCurves, { kind: 'snapshot' }>), runs: [] };
    await view.post({ ...nothing, scanning: true });
    assert.match(await text(), /Looking for runs/);
    assert.equal(await view.page.locator('.toolbar').isVisible(), false, 'nothing to choose from');
    await view.post(curvesSnapshot(undefined));
    assert.match(await text(), /No runs yet/);
    await button('Watch Folder…').click();
    assert.ok((await kinds()).includes('watchFolder'));
    await view.post({
      ...(curvesSnapshot(undefined) as Extract<ToCurves, { kind: 'snapshot' }>),
      wanted: ['/gone'],
    });
    assert.match(await text(), /This run is gone/);
    await view.post(curvesSnapshot({ ...sampleRun(), series: [] }));
    assert.match(await text(), /No metrics log in this run\s+The run has 30 checkpoints/);
    await view.post(curvesSnapshot(sampleRun(2), 2));
    assert.equal(await view.page.locator('.empty').count(), 0);
    view.assertClean();
  });

  test('takes new colours from a new theme', async () => {
    await view.post(curvesSnapshot(sampleRun()));
    const stroke = (): Promise<string | null> =>
      view.page.locator('.legend-item line').first().getAttribute('stroke');
    assert.equal(await stroke(), '#59a4f9');
    await view.setTheme('high-contrast-light');
    assert.equal(await stroke(), '#0063d3');
    assert.equal(await view.page.locator('.legend-item line').nth(1).getAttribute('stroke-dasharray'), '7 4');
    view.assertClean();
  });

  test('a message that is not understood is reported and changes nothing', async () => {
    await view.post(curvesSnapshot(sampleRun()));
    await view.post({ kind: 'snapshot' } as unknown as ToCurves);
    assert.equal((await kinds()).at(-1), 'defect');
    assert.equal(await view.page.locator('.chart').count(), 3);
  });

  test('the list of runs stays below the toolbar, which wraps', async () => {
    await view.page.setViewportSize({ width: 1200, height: 600 });
    await view.post(runsSnapshot(severalRuns(40)));
    await view.page.evaluate('scrollTo(0, 300)');
    await view.drawn();
    const box = async (selector: string) => (await view.page.locator(selector).boundingBox())!;
    const toolbar = await box('.toolbar');
    const list = await box('aside.runs');
    assert.equal(toolbar.y, 0);
    assert.ok(toolbar.height > 60 && list.y >= toolbar.height - 1, `${list.y} below ${toolbar.height}`);
    assert.ok(list.y + list.height <= 600, 'and ends in the window');
  });

  test('a chart that is alone has the window for itself', async () => {
    const heights = async () => (await plot.boundingBox())!.height / view.page.viewportSize()!.height;
    await view.post(curvesSnapshot(sampleRun()));
    assert.ok((await heights()) < 0.4);
    await view.page.getByRole('searchbox', { name: 'Filter series' }).fill('accuracy');
    await view.page.locator('.chart:only-child').waitFor();
    assert.ok((await heights()) > 0.6);
  });

  test('fits into 300 pixels', async () => {
    await view.page.setViewportSize({ width: 300, height: 700 });
    await view.post(curvesSnapshot(sampleRun()));
    assert.equal(await view.page.evaluate('document.documentElement.scrollWidth'), 300);
    // The toolbar, which takes many lines there, leaves with the page.
    await view.page.evaluate('scrollTo(0, 300)');
    assert.ok((await view.page.locator('.toolbar').boundingBox())!.y < 0);
  });
});
