/**
 * Screenshots of both pages with sample data, in every theme and at several widths, to look at while designing:
 * `npm run build && TWA_CHROMIUM=/usr/bin/chromium node test/e2e/webviews/preview.ts [name…]`, into test-output/webviews.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { openBrowser } from '../../../scripts/workbench/browser.ts';
import type { ToResult } from '../../../webview/protocol.ts';
import { type OpenPage, openWebview } from './open.ts';
import {
  curvesSnapshot,
  runsSnapshot,
  sampleLossCurve,
  sampleMore,
  sampleReport,
  sampleRun,
  severalRuns,
} from './samples.ts';
import { sampleCheckpoint, sampleComparison, sampleStatistics } from './tensorSamples.ts';
import type { ThemeName } from './themes.ts';

const out = path.resolve(import.meta.dirname, '../../../test-output/webviews');
const report: ToResult = { kind: 'report', path: '/data/report.json', report: sampleReport() };

const posted = async (view: OpenPage): Promise<void> => {
  await view.post(report);
  await view.post({ kind: 'more', more: sampleMore() });
};

interface Shot {
  readonly name: string;
  readonly page: 'curves' | 'result' | 'tensors';
  readonly theme: ThemeName;
  readonly width: number;
  readonly prepare: (view: OpenPage) => Promise<void>;
}

const curves = async (view: OpenPage): Promise<void> => view.post(curvesSnapshot(sampleRun()));
const several = async (view: OpenPage): Promise<void> => view.post(runsSnapshot(severalRuns()));
const live = (failed: boolean): ToResult => ({
  kind: 'live',
  number: 1,
  live: {
    title: 'Averaging 20 checkpoints of digits/runs/seed-1',
    checkpoints: sampleReport().provenance.sources,
    cancellable: !failed,
    phase: 'training',
    fraction: 0.42,
    message: 'epoch 4 of 10 done: loss 0.0991, accuracy 0.9722 on the stop split',
    points: failed ? [] : sampleLossCurve().slice(0, 26),
    ...(failed
      ? {
          failure: {
            message: 'epoch-021.safetensors holds a NaN in conv1.weight at index 1034: leave it out.',
            details: ['/data/digits/runs/seed-1/checkpoints/epoch-021.safetensors'],
          },
        }
      : { coefficients: sampleReport().coefficients }),
  },
});

const tensors = async (view: OpenPage): Promise<void> =>
  view.post({ kind: 'checkpoint', checkpoint: sampleCheckpoint(), statistics: sampleStatistics() });
const comparison = async (view: OpenPage): Promise<void> => view.post(sampleComparison());

const shots: readonly Shot[] = [
  ...(['dark', 'light', 'high-contrast', 'high-contrast-light'] as const).flatMap((theme): Shot[] => [
    { name: `curves-${theme}`, page: 'curves', theme, width: 1200, prepare: curves },
    { name: `result-${theme}`, page: 'result', theme, width: 1200, prepare: posted },
    { name: `tensors-${theme}`, page: 'tensors', theme, width: 1200, prepare: tensors },
    { name: `tensors-compare-${theme}`, page: 'tensors', theme, width: 1200, prepare: comparison },
  ]),
  ...(['dark', 'light', 'high-contrast', 'high-contrast-light'] as const).map((theme): Shot => ({
    name: `curves-runs-${theme}`,
    page: 'curves',
    theme,
    width: 1200,
    prepare: several,
  })),
  { name: 'curves-runs-narrow', page: 'curves', theme: 'dark', width: 320, prepare: several },
  { name: 'curves-runs-wide', page: 'curves', theme: 'light', width: 2200, prepare: several },
  {
    name: 'curves-runs-hover',
    page: 'curves',
    theme: 'dark',
    width: 1200,
    prepare: async (view) => {
      await several(view);
      await view.page.getByLabel('X axis', { exact: true }).selectOption('relative');
      await view.page
        .locator('.plot')
        .first()
        .hover({ position: { x: 200, y: 100 } });
    },
  },
  {
    name: 'curves-runs-wall-log',
    page: 'curves',
    theme: 'light',
    width: 1200,
    prepare: async (view) => {
      await several(view);
      await view.page.getByLabel('X axis', { exact: true }).selectOption('wall');
      await view.page.getByRole('button', { name: 'Log', exact: true }).first().click();
    },
  },
  {
    name: 'curves-runs-envelope',
    page: 'curves',
    theme: 'dark',
    width: 1200,
    prepare: async (view) => {
      await view.post(runsSnapshot(severalRuns(12)));
      await view.page.getByRole('button', { name: 'Envelope' }).click();
      await view.page.getByLabel('X axis', { exact: true }).selectOption('step');
      await view.page.getByRole('button', { name: 'Logarithmic x axis' }).click();
    },
  },
  {
    name: 'curves-select',
    page: 'curves',
    theme: 'light',
    width: 900,
    prepare: async (view) => {
      await curves(view);
      await view.page.getByRole('button', { name: 'Select checkpoints' }).click();
      const box = (await view.page.locator('.plot').first().boundingBox())!;
      await view.page.mouse.move(box.x + 150, box.y + 60);
      await view.page.mouse.down();
      await view.page.mouse.move(box.x + 260, box.y + 80, { steps: 3 });
      await view.page.mouse.up();
      await view.page.mouse.down();
      await view.page.mouse.move(box.x + 330, box.y + 80, { steps: 3 });
    },
  },
  { name: 'curves-narrow', page: 'curves', theme: 'dark', width: 320, prepare: curves },
  { name: 'curves-middle', page: 'curves', theme: 'light', width: 700, prepare: curves },
  {
    name: 'curves-hover',
    page: 'curves',
    theme: 'dark',
    width: 1200,
    prepare: async (view) => {
      await curves(view);
      const plot = view.page.locator('.plot').first();
      await plot.hover({ position: { x: 300, y: 100 } });
    },
  },
  {
    name: 'curves-keyboard-table',
    page: 'curves',
    theme: 'light',
    width: 1200,
    prepare: async (view) => {
      await curves(view);
      await view.page.getByRole('button', { name: 'Show data table' }).click();
      await view.page.locator('.plot').first().focus();
      for (let press = 0; press < 30; press++) await view.page.keyboard.press('ArrowRight');
    },
  },
  {
    name: 'curves-diverged-log',
    page: 'curves',
    theme: 'dark',
    width: 1200,
    prepare: async (view) => {
      await view.post(curvesSnapshot(sampleRun(22, true)));
      await view.page.getByRole('button', { name: 'Log', exact: true }).first().click();
      await view.page.getByLabel('X axis', { exact: true }).selectOption('step');
    },
  },
  {
    name: 'curves-short',
    page: 'curves',
    theme: 'light',
    width: 900,
    prepare: async (view) => {
      const run = sampleRun();
      const series = run.series.filter(({ tag }) => tag.startsWith('val'));
      await view.post(curvesSnapshot({ ...run, series }));
      await view.page
        .locator('.plot')
        .first()
        .hover({ position: { x: 407, y: 218 } });
    },
  },
  {
    name: 'curves-empty',
    page: 'curves',
    theme: 'dark',
    width: 700,
    prepare: (view) => view.post(curvesSnapshot(undefined)),
  },
  {
    name: 'curves-no-metrics',
    page: 'curves',
    theme: 'light',
    width: 320,
    prepare: (view) => view.post(curvesSnapshot({ ...sampleRun(), series: [] })),
  },
  { name: 'result-narrow', page: 'result', theme: 'light', width: 320, prepare: posted },
  { name: 'result-middle', page: 'result', theme: 'dark', width: 620, prepare: posted },
  {
    name: 'result-plain',
    page: 'result',
    theme: 'light',
    width: 900,
    prepare: (view) => view.post({ ...report, report: sampleReport(false) }),
  },
  {
    name: 'result-table',
    page: 'result',
    theme: 'dark',
    width: 900,
    prepare: async (view) => {
      await view.post(report);
      await view.page.getByRole('button', { name: 'Show data table' }).click();
      await view.page
        .locator('.plot')
        .last()
        .hover({ position: { x: 120, y: 100 } });
    },
  },
  {
    name: 'result-live',
    page: 'result',
    theme: 'dark',
    width: 1000,
    prepare: (view) => view.post(live(false)),
  },
  {
    name: 'result-live-narrow',
    page: 'result',
    theme: 'light',
    width: 320,
    prepare: (view) => view.post(live(false)),
  },
  {
    name: 'result-failed',
    page: 'result',
    theme: 'dark',
    width: 700,
    prepare: (view) => view.post(live(true)),
  },
  { name: 'tensors-narrow', page: 'tensors', theme: 'dark', width: 340, prepare: tensors },
  { name: 'tensors-compare-narrow', page: 'tensors', theme: 'light', width: 340, prepare: comparison },
  {
    name: 'tensors-used',
    page: 'tensors',
    theme: 'light',
    width: 900,
    prepare: async (view) => {
      await tensors(view);
      await view.page.getByRole('searchbox').fill('/mlp.*weight/');
      await view.page.getByText('Metadata').click();
      await view.page.getByRole('button', { name: 'Parameters' }).click();
      await view.page.getByRole('grid').focus();
      for (let press = 0; press < 3; press++) await view.page.keyboard.press('ArrowDown');
      await view.post({ kind: 'running', fraction: 0.4, tensor: 'blocks.7.mlp.up.weight' });
    },
  },
  {
    name: 'tensors-nothing',
    page: 'tensors',
    theme: 'dark',
    width: 700,
    prepare: async (view) => {
      await tensors(view);
      await view.page.getByRole('searchbox').fill('no such tensor');
      await view.post({ kind: 'ended', message: 'model.safetensors changed while it was being read.' });
    },
  },
  {
    name: 'tensors-incomplete',
    page: 'tensors',
    theme: 'dark',
    width: 700,
    prepare: (view) =>
      view.post({
        kind: 'unavailable',
        title: 'This checkpoint is not complete',
        message: 'step-1200.safetensors ends 48 bytes early; it is still being written, or was cut off.',
        details: ['/data/runs/seed-1/step-1200.safetensors'],
      }),
  },
];

const wanted = process.argv.slice(2);
await mkdir(out, { recursive: true });
const browser = await openBrowser();
const { page } = browser;
try {
  for (const shot of shots) {
    if (wanted.length > 0 && !wanted.some((name) => shot.name.startsWith(name))) continue;
    const view = await openWebview(page, shot.page, shot.theme, { width: shot.width, height: 760 });
    await shot.prepare(view);
    await page.waitForTimeout(150);
    await page.screenshot({ path: path.join(out, `${shot.name}.png`), fullPage: true });
    view.assertClean();
  }
} finally {
  await browser.close();
}
