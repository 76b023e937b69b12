/** Measures what curves-workbench.mjs says, in a workbench with the packaged extension. */
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Workbench } from '../../test/e2e/workbench.ts';

const SERIES = 10;
const LIVE = 8;
const points = Number(process.argv[2] ?? 500_000);

const folder = await mkdtemp(path.join(tmpdir(), 'twa-bench-'));
const log = path.join(folder, 'run', 'metrics.csv');
const row = (step: number, value: (series: number) => number): string =>
  `${step},${Array.from({ length: SERIES }, (_, series) => value(series).toFixed(4)).join(',')}\n`;
const curve = (step: number, series: number): number =>
  0.1 * series + 2 * Math.exp((-5 * step) / points) + 0.2 * Math.sin(step * (12.9898 + series));

try {
  await mkdir(path.dirname(log));
  const names = Array.from(
    { length: SERIES },
    (_, series) => `${series % 2 ? 'val' : 'train'}/m${series >> 1}`,
  );
  await writeFile(log, `step,${names.join(',')}\n`);
  for (let from = 0; from < points; from += 20_000) {
    const steps = Array.from({ length: Math.min(20_000, points - from) }, (_, index) => from + index);
    await appendFile(log, steps.map((step) => row(step, (series) => curve(step, series))).join(''));
  }
  const workbench = await Workbench.open(folder);
  try {
    await workbench.showView('Training');
    await workbench.rows(/^Run run/).waitFor();
    const begun = performance.now();
    const since = (): string => `${(performance.now() - begun).toFixed(0)} ms`;
    await workbench.runCommand('TWA: Show Learning Curves');
    const curves = await workbench.webview('.toolbar #smoothing');
    console.log(`the page is there after ${since()}`);
    await curves.locator('.plot[aria-busy=false]').first().waitFor();
    console.log(`all lines are drawn after ${since()}`);
    await curves.locator('.content[aria-busy=false]').waitFor({ timeout: 120_000 });
    console.log(`all points are there after ${since()}`);
    const last = curves.locator('.legend-item').first();
    for (let index = 0; index < LIVE; index++) {
      // The legend shows four digits.
      const value = 3.125 + index / 100;
      const written = performance.now();
      await appendFile(
        log,
        row(points + index, () => value),
      );
      await last.getByText(value.toPrecision(4)).waitFor();
      console.log(`a live point is shown after ${(performance.now() - written).toFixed(0)} ms`);
    }
  } finally {
    await workbench.close();
  }
} finally {
  await rm(folder, { recursive: true, maxRetries: 5 });
}
