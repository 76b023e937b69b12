/** Exporting from the curves page in a real browser: what it answers, and what the pictures look like. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type Browser, openBrowser } from '../../../scripts/workbench/browser.ts';
import { type OpenPage, openWebview } from './open.ts';
import { curvesSnapshot, RUN, sampleRun } from './samples.ts';

const shots = path.resolve(import.meta.dirname, '../../../test-output/screenshots');

describe('exporting from the curves page', () => {
  let browser: Browser;
  let view: OpenPage;
  before(async () => (browser = await openBrowser()));
  after(() => browser.close());
  beforeEach(async () => {
    view = await openWebview(browser.page, 'curves');
    await view.post(curvesSnapshot(sampleRun(30, true)));
  });

  /** What the page answers to "export as ...". */
  const exported = async (format: 'csv' | 'json' | 'svg' | 'png'): Promise<Record<string, unknown>> => {
    const before = (await view.sent()).length;
    await view.post({ kind: 'export', format });
    for (let tries = 0; tries < 100; tries++) {
      const answer = (await view.sent())[before];
      if (answer !== undefined) return answer;
      await view.drawn();
    }
    throw new Error('The page did not answer.');
  };

  test('epochs are whole numbers, few as they are', async () => {
    await view.post(curvesSnapshot(sampleRun(2)));
    const { content } = await exported('svg');
    const labels = [...String(content).matchAll(/text-anchor="middle"[^>]*>([^<]+)</g)].map(
      ([, text]) => text,
    );
    assert.ok(labels.length >= 2, labels.join());
    assert.ok(
      labels.every((label) => /^\d+$/.test(label!)),
      labels.join(),
    );
  });

  test('the button asks the editor, which asks as what', async () => {
    await view.page.getByRole('button', { name: 'Export…' }).click();
    assert.deepEqual((await view.sent()).at(-1), { kind: 'export' });
  });

  test('of the data it names the series that are shown: not those that are hidden or filtered out', async () => {
    const keys = async (): Promise<unknown> => {
      const { kind, format, series } = await exported('csv');
      assert.deepEqual([kind, format], ['exportData', 'csv']);
      return (series as string[]).map((key) => {
        assert.ok(key.startsWith(`${RUN}\n${RUN}/metrics.csv\n`), key);
        return key.split('\n').at(-1);
      });
    };
    assert.deepEqual(await keys(), ['train/loss', 'val/loss', 'train/accuracy', 'val/accuracy', 'lr']);
    await view.page.locator('.legend-item').first().click();
    await view.page.getByLabel('Filter series').fill('loss|lr');
    await view.drawn();
    assert.deepEqual(await keys(), ['val/loss', 'lr']);
  });

  test('an SVG is well-formed, has every line and mark, keeps gaps, and shows what the page shows', async () => {
    const { kind, content } = await exported('svg');
    assert.equal(kind, 'exportPicture');
    const svg = String(content);
    await mkdir(shots, { recursive: true });
    await writeFile(path.join(shots, 'curves-export.svg'), svg);
    const counted = await view.page.evaluate(`(() => {
      const document = new DOMParser().parseFromString(${JSON.stringify(svg)}, 'image/svg+xml');
      const lines = [...document.querySelectorAll('[clip-path] path')];
      return {
        errors: document.querySelectorAll('parsererror').length,
        lines: lines.length,
        gaps: lines[0].getAttribute('d').match(/M/g).length,
        checkpoints: [...document.querySelectorAll('path > title')].filter((one) => /epoch-/.test(one.textContent)).length,
        averages: [...document.querySelectorAll('path > title')].filter((one) => /twa-1/.test(one.textContent)).length,
        titles: [...document.querySelectorAll('[font-weight]')].map((one) => one.textContent),
      };
    })()`);
    assert.deepEqual(counted, {
      errors: 0,
      // Each series, and behind those that are smoothed what was logged.
      lines: 8,
      // The stretch that is not finite.
      gaps: 2,
      checkpoints: 90,
      averages: 2,
      titles: ['Loss', 'Accuracy', 'Learning rate'],
    });
    assert.doesNotMatch(svg, /NaN|undefined|oklch|color-mix|var\(/);
  });

  test('a PNG has all charts, those out of view as well', async () => {
    const { content } = await exported('png');
    const bytes = Buffer.from(String(content), 'base64');
    await writeFile(path.join(shots, 'curves-export.png'), bytes);
    assert.equal(bytes.subarray(1, 4).toString('latin1'), 'PNG');
    const width = bytes.readUInt32BE(16);
    const height = bytes.readUInt32BE(20);
    const [plots, chart] = [view.page.locator('.plot'), view.page.locator('.plot').first()];
    const box = (await chart.boundingBox())!;
    assert.ok(Math.abs(width - 2 * (box.width + 24)) <= 4, `${width} for ${box.width}`);
    assert.ok(
      height > 2 * (await plots.count()) * box.height,
      `${height} for ${await plots.count()} of ${box.height}`,
    );
    // In each third of the picture there is something else than background: every chart was drawn.
    const colours = await view.page.evaluate<number[]>(`(async () => {
      const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(${JSON.stringify(String(content))}), (c) => c.charCodeAt(0))]));
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      const ctx = canvas.getContext('2d', { willReadFrequently: true });
      ctx.drawImage(bitmap, 0, 0);
      return [0, 1, 2].map((third) => {
        const { data } = ctx.getImageData(0, Math.floor((third * bitmap.height) / 3), bitmap.width, Math.floor(bitmap.height / 3));
        const seen = new Set();
        for (let i = 0; i < data.length; i += 4) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
        return seen.size;
      });
    })()`);
    for (const count of colours) assert.ok(count > 20, colours.join());
    view.assertClean();
  });
});
