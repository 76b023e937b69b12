/** The learning curves in the workbench: what a user does on them with the mouse, while the training goes on. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Frame, Locator } from 'playwright-core';
import { writeFloats } from '../unit/checkpoints/help.ts';
import { eventually, Workbench } from './workbench.ts';

const CURVES = '.toolbar #smoothing';
const EPOCHS = 20;
const STEPS = 10;

const name = (epoch: number): string => `epoch-${String(epoch).padStart(3, '0')}`;

/** What a training logs in an epoch: a loss per step and one of the validation. */
function rows(epoch: number): string {
  const steps = Array.from({ length: STEPS }, (_, index) => (epoch - 1) * STEPS + index + 1);
  const loss = (step: number): number => 2 * Math.exp(-step / 60) + 0.1;
  return [
    ...steps.map((step) => `${epoch},${step},${loss(step).toFixed(4)},`),
    `${epoch},${epoch * STEPS},,${(loss(epoch * STEPS) + 0.05).toFixed(4)}`,
    '',
  ].join('\n');
}

describe('Learning curves in the workbench', () => {
  let folder: string;
  let run: string;
  let workbench: Workbench;
  let curves: Frame;
  let plot: Locator;
  /** Where the x axis begins and ends after the zoom. */
  let zoomed: readonly string[];
  let broken = false;
  /** Each takes up where the one before left off. */
  const step = (title: string, work: () => Promise<void>) =>
    test(title, async (t) => {
      if (broken) {
        t.skip('an earlier step failed');
        return;
      }
      broken = true;
      await workbench.watched(title, work);
      broken = false;
    });

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'twa-e2e-curves-'));
    run = path.join(folder, 'runs', 'one');
    await mkdir(run, { recursive: true });
    const epochs = Array.from({ length: EPOCHS }, (_, index) => index + 1);
    await writeFile(
      path.join(run, 'metrics.csv'),
      `epoch,step,train/loss,val/loss\n${epochs.map(rows).join('')}`,
    );
    for (const epoch of epochs) {
      // Each is its own number: the mean of some says which they were.
      await writeFloats(path.join(run, `${name(epoch)}.safetensors`), { weight: [epoch] });
    }
    workbench = await Workbench.open(folder);
  });
  after(async () => {
    await workbench.close();
    await rm(folder, { recursive: true, maxRetries: 5 });
  });

  const find = async (): Promise<void> => {
    curves = await workbench.webview(CURVES);
    plot = curves.locator('.plot').first();
    await plot.waitFor();
  };
  const tooltip = (): Promise<string> => plot.locator('.tooltip').innerText();
  /** The first and the last place in view, as the keyboard's cursor finds them. */
  const ends = async (): Promise<readonly string[]> => {
    await plot.focus();
    const found: string[] = [];
    for (const key of ['Home', 'End']) {
      await plot.press(key);
      found.push(/epoch ([\d.]+)/.exec(await tooltip())![1]!);
    }
    await plot.press('Escape');
    return found;
  };
  /** What a gesture changes is drawn, and only then known to the keyboard, in the next frame. */
  const drawn = (): Promise<unknown> =>
    curves.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
  /** Between two places, as shares of the chart's width, and pixels from its top. */
  const drag = async (from: number, to: number, top: number, bottom: number): Promise<void> => {
    const box = (await plot.boundingBox())!;
    const { mouse } = workbench.page;
    await mouse.move(box.x + box.width * from, box.y + top);
    await mouse.down();
    await mouse.move(box.x + box.width * to, box.y + bottom, { steps: 4 });
    await mouse.up();
    await drawn();
  };
  const button = (label: string): Locator => curves.getByRole('button', { name: label, exact: true });

  step('a click on the tick of a checkpoint selects it in the tree', async () => {
    await workbench.showView('Training');
    await workbench.rows(/^Checkpoint epoch-020/).waitFor();
    await workbench.runCommand('TWA: Show Learning Curves');
    await find();
    await plot.focus();
    await plot.press('Home');
    while (!(await tooltip()).includes(name(5))) await plot.press('ArrowRight');
    // A tooltip stands beside its mark.
    const place = await curves.evaluate<{ x: number; y: number }>(
      `(({ style }) => ({ x: parseFloat(style.left) - 12, y: parseFloat(style.top) + 8 }))
      (document.querySelector('.plot .tooltip'))`,
    );
    await plot.press('Escape');
    await plot.locator('canvas').click({ position: place });
    const row = workbench.rows(/^Checkpoint epoch-005/);
    await eventually(
      'the row of the checkpoint is selected',
      async () => (await row.getAttribute('aria-selected')) === 'true' || undefined,
    );
    await workbench.screenshot('curves-1-revealed');
  });

  step('a drag zooms in, and a narrow one along y only', async () => {
    const [first, last] = await ends();
    assert.equal(last, String(EPOCHS));
    await drag(0.35, 0.75, 60, 66);
    zoomed = await ends();
    assert.ok(Number(zoomed[0]) > Number(first) + 4 && Number(zoomed[1]) < EPOCHS - 3, zoomed.join(' to '));
    await drag(0.5, 0.503, 40, 160);
    assert.deepEqual(await ends(), zoomed);
    await workbench.screenshot('curves-2-zoomed');
  });

  step('what training logs meanwhile is drawn, and moves nothing', async () => {
    await appendFile(path.join(run, 'metrics.csv'), rows(EPOCHS + 1));
    const value = Number(
      rows(EPOCHS + 1)
        .trim()
        .split(',')
        .at(-1),
    ).toPrecision(4);
    await curves.locator('.legend-item', { hasText: 'val/loss' }).getByText(value).waitFor();
    assert.deepEqual(await ends(), zoomed);
  });

  step('another theme has its colours, and the same place', async () => {
    const stroke = (): Promise<string | null> =>
      curves.locator('.legend-item line').first().getAttribute('stroke');
    const before = await stroke();
    await workbench.setTheme('Light Modern');
    await curves.locator('body.vscode-light').waitFor();
    const color = await eventually('another colour', async () => {
      const now = await stroke();
      return now === before ? undefined : now;
    });
    assert.equal(await curves.evaluate<boolean>(hasColor(color!)), true, `${color} on the canvas`);
    assert.deepEqual(await ends(), zoomed);
    await workbench.screenshot('curves-3-light');
  });

  step('a reloaded window shows the same place', async () => {
    // Within texts within a text, with as many backslashes.
    await workbench.reload(/xZoom\W+min\W/);
    await workbench.editorTab(/^Curves/).click();
    await find();
    assert.deepEqual(await ends(), zoomed);
    await plot.locator('canvas').dblclick({ position: { x: 300, y: 40 } });
    await drawn();
    assert.deepEqual((await ends())[1], String(EPOCHS + 1));
  });

  step('a drag selects checkpoints, and those are averaged', async () => {
    await button('Select checkpoints').click();
    await drag(0.5, 0.8, 60, 90);
    const bar = curves.getByRole('region', { name: 'Selected checkpoints' });
    const text = await bar.innerText();
    const [, count, first, last] = /(\d+) checkpoints selected, epoch-(\d+)\S* to epoch-(\d+)/.exec(text)!;
    assert.equal(Number(count), Number(last) - Number(first) + 1);
    assert.ok(Number(count) >= 4 && Number(count) <= 8, text);
    await workbench.screenshot('curves-4-selected');
    await bar.getByRole('button', { name: 'Average…' }).click();
    await workbench.pick('Average Uniformly, Without Evaluation');
    await workbench.pick('Start Averaging');
    const file = path.join(run, 'averages', 'uniform-1.safetensors');
    await eventually('the average', () => existsSync(file) || undefined);
    await workbench.showView('Training');
    await workbench.rows(/^Average uniform-1/).waitFor();
    const bytes = await readFile(file);
    assert.equal(bytes.readFloatLE(bytes.length - 4), (Number(first) + Number(last)) / 2);
    assert.deepEqual(workbench.problems(/content security policy/i), []);
  });
});

/** For the page: whether a canvas has pixels of a colour as `#rrggbb`. */
const hasColor = (color: string): string => `(() => {
  const wanted = parseInt('${color}'.slice(1), 16);
  return [...document.querySelectorAll('canvas')].some((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4)
      if (((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]) === wanted && data[i + 3] === 255) return true;
    return false;
  });
})()`;
