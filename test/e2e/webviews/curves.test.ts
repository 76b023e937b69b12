/** The curves page in a real browser, with VS Code's policy, themes and message channel played by `open.ts`. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Locator } from 'playwright-core';
import { type Browser, openBrowser } from '../../../scripts/workbench/browser.ts';
import type { RunChange, ToCurves } from '../../../webview/protocol.ts';
import { type OpenPage, openWebview } from './open.ts';
import { curvesSnapshot, part, RUN, sampleRun, STEPS } from './samples.ts';

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
    assert.deepEqual(await kinds(), ['ready']);
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

  test('explains what is missing', async () => {
    const text = (): Promise<string> => view.page.locator('.empty').innerText();
    await view.post({ ...curvesSnapshot(undefined), scanning: true });
    assert.match(await text(), /Looking for runs/);
    await view.post(curvesSnapshot(undefined));
    assert.match(await text(), /No runs yet/);
    await button('Watch Folder…').click();
    assert.deepEqual((await view.sent()).at(-1), { kind: 'watchFolder' });
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

  test('fits into 300 pixels', async () => {
    await view.page.setViewportSize({ width: 300, height: 700 });
    await view.post(curvesSnapshot(sampleRun()));
    assert.equal(await view.page.evaluate('document.documentElement.scrollWidth'), 300);
  });
});
