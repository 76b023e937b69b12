/**
 * Charts as they look, against pictures that were looked at. `TWA_WRITE_PICTURES=1` before the command that runs this
 * file writes them anew; look at them before committing them.
 *
 * Tolerance: the labels of the axes are left out, for they are drawn with whatever font a machine has, and that font's
 * width moves the lines by a pixel or two. So a pixel is what it was if one of its colour stood within 3 pixels of it
 * (both ways: nothing may have come, nothing may have gone). Another Chromium may mix a few edges otherwise: 30 of
 * 100,000 pixels may differ, fewer than a star has. What that does not let through is shown by the last test.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { type Browser, openBrowser } from '../../../scripts/workbench/browser.ts';
import { type OpenPage, openWebview } from './open.ts';
import { curvesSnapshot, part, runsSnapshot, sampleRun, severalRuns } from './samples.ts';
import type { ThemeName } from './themes.ts';

const references = path.join(import.meta.dirname, 'pictures');
const output = path.resolve(import.meta.dirname, '../../../test-output/pictures');
/** Pixels around a pixel that its colour may have come from. */
const REACH = 3;
/** Of 255, by which a colour may differ in any of red, green and blue. */
const COLOR = 40;
/** Share of the pixels that may differ all the same. */
const SHARE = 0.0003;
/** Pixels at the edges of a chart where its labels stand. */
const LABELS = { left: 64, top: 4, right: 0, bottom: 44 };

interface Scene {
  readonly name: string;
  readonly theme: ThemeName;
  readonly prepare: (view: OpenPage) => Promise<void>;
}

const press = async (view: OpenPage, name: string): Promise<void> => {
  await view.page.getByRole('button', { name, exact: true }).first().click();
  await view.drawn();
};

const SCENES: readonly Scene[] = [
  { name: 'run-dark', theme: 'dark', prepare: (view) => view.post(curvesSnapshot(sampleRun())) },
  {
    name: 'run-high-contrast',
    theme: 'high-contrast-light',
    prepare: (view) => view.post(curvesSnapshot(sampleRun())),
  },
  {
    name: 'runs-log-light',
    theme: 'light',
    prepare: async (view) => {
      await view.post(runsSnapshot(severalRuns()));
      await press(view, 'Log');
    },
  },
  {
    name: 'runs-envelope-dark',
    theme: 'dark',
    prepare: async (view) => {
      await view.post(runsSnapshot(severalRuns()));
      await press(view, 'Envelope');
    },
  },
  {
    name: 'runs-high-contrast-dark',
    theme: 'high-contrast',
    prepare: (view) => view.post(runsSnapshot(severalRuns())),
  },
  {
    name: 'dense-gaps-dark',
    theme: 'dark',
    prepare: async (view) => {
      const points = Array.from({ length: 60_000 }, (_, index): readonly [number, number, number] => [
        index,
        NaN,
        index % 20_000 > 15_000 ? NaN : Math.sin(index / 7000) + 0.3 * Math.sin(index * 12.9898),
      ]);
      await view.post(curvesSnapshot({ ...sampleRun(2), series: [part('loss', points)] }));
      await view.page.locator('.content[aria-busy=false]').waitFor();
    },
  },
];

describe('Charts look as they did', () => {
  let browser: Browser;
  /** Has no policy against pictures. */
  let bench: Page;
  before(async () => {
    browser = await openBrowser();
    bench = await browser.page.context().newPage();
    await mkdir(output, { recursive: true });
  });
  after(() => browser.close());

  const shoot = async ({ theme, prepare }: Scene, change?: (view: OpenPage) => Promise<void>) => {
    const view = await openWebview(browser.page, 'curves', theme);
    await prepare(view);
    await change?.(view);
    await view.drawn();
    const picture = await view.page.locator('.plot canvas').first().screenshot();
    view.assertClean();
    return picture;
  };
  const differing = (a: Buffer, b: Buffer): Promise<number> =>
    bench.evaluate<number>(
      `(${compareInPage})(${JSON.stringify([a.toString('base64'), b.toString('base64')])}, ${JSON.stringify({ REACH, COLOR, LABELS })})`,
    );

  for (const scene of SCENES) {
    test(scene.name, async () => {
      const file = path.join(references, `${scene.name}.png`);
      const now = await shoot(scene);
      if (process.env['TWA_WRITE_PICTURES'] !== undefined) {
        await mkdir(references, { recursive: true });
        await writeFile(file, now);
      }
      assert.ok(existsSync(file), `${file} is missing: see the head of this file.`);
      const share = await differing(await readFile(file), now);
      if (share > SHARE) await writeFile(path.join(output, `${scene.name}.png`), now);
      assert.ok(
        share <= SHARE,
        `${(100 * share).toFixed(2)} % of the pixels differ; now: test-output/pictures/${scene.name}.png`,
      );
    });
  }

  test('and a missing line, a missing star or other colours would be seen', async () => {
    const [scene] = SCENES;
    const reference = await readFile(path.join(references, `${scene!.name}.png`));
    const share = async (now: Promise<Buffer>): Promise<number> => differing(reference, await now);
    const noStar = await share(
      shoot({ ...scene!, prepare: (view) => view.post(curvesSnapshot({ ...sampleRun(), averages: [] })) }),
    );
    const noLine = await share(shoot(scene!, ({ page }) => page.locator('.legend-item').first().click()));
    const light = await share(shoot({ ...scene!, theme: 'light' }));
    const seen = [noStar, noLine, light];
    assert.ok(noStar > SHARE && noLine > 4 * SHARE && light > 0.5, seen.join(', '));
  });
});

/**
 * Share of the pixels, labels left out, that have no counterpart in the other picture. Plain script for the page: only
 * a browser reads PNG here.
 */
const compareInPage = `async (pictures, { REACH, COLOR, LABELS }) => {
  const [a, b] = await Promise.all(
    pictures.map(async (base64) => {
      const image = new Image();
      image.src = 'data:image/png;base64,' + base64;
      await image.decode();
      const ctx = new OffscreenCanvas(image.width, image.height).getContext('2d');
      ctx.drawImage(image, 0, 0);
      return ctx.getImageData(0, 0, image.width, image.height);
    }),
  );
  if (a.width !== b.width || a.height !== b.height) return 1;
  const { width, height } = a;
  const alike = (p, i, q, j) => [0, 1, 2].every((c) => Math.abs(p.data[i + c] - q.data[j + c]) <= COLOR);
  const has = (picture, x, y, other) => {
    const i = 4 * (y * width + x);
    if (alike(other, i, picture, i)) return true;
    for (let v = Math.max(0, y - REACH); v <= Math.min(height - 1, y + REACH); v++)
      for (let u = Math.max(0, x - REACH); u <= Math.min(width - 1, x + REACH); u++)
        if (alike(other, i, picture, 4 * (v * width + u))) return true;
    return false;
  };
  let different = 0;
  let all = 0;
  for (let y = LABELS.top; y < height - LABELS.bottom; y++)
    for (let x = LABELS.left; x < width - LABELS.right; x++) {
      all += 1;
      if (!has(a, x, y, b) || !has(b, x, y, a)) different += 1;
    }
  return different / all;
}`;
