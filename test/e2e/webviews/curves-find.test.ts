/** The curves page in a real browser: finding series and runs, pins, and the health of what is shown. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Locator } from 'playwright-core';
import { type Browser, openBrowser } from '../../../scripts/workbench/browser.ts';
import type { KnownRun, ToCurves } from '../../../webview/protocol.ts';
import { type OpenPage, openWebview } from './open.ts';
import { curvesSnapshot, sampleRun } from './samples.ts';

const named = (name: string, state?: KnownRun['state']): KnownRun => ({
  directory: `/data/${name}`,
  name,
  ...(state === undefined ? {} : { state }),
});

describe('finding on the curves page', () => {
  let browser: Browser;
  let view: OpenPage;
  before(async () => (browser = await openBrowser()));
  after(() => browser.close());
  beforeEach(async () => {
    view = await openWebview(browser.page, 'curves');
  });

  const titles = (): Promise<readonly string[]> => view.page.locator('h2').allInnerTexts();
  const legend = (): Promise<readonly string[]> =>
    view.page.locator('.legend-item > span:nth-of-type(1)').allInnerTexts();
  const chart = (name: string): Locator => view.page.getByRole('region', { name, exact: true });
  const snapshot = (more: Partial<Extract<ToCurves, { kind: 'snapshot' }>> = {}): ToCurves => ({
    ...(curvesSnapshot(sampleRun()) as Extract<ToCurves, { kind: 'snapshot' }>),
    ...more,
  });

  test('series by a regular expression, kept over a reload; a way back when none matches', async () => {
    await view.post(snapshot());
    const filter = view.page.getByLabel('Filter series');
    await filter.fill('^val/|LR');
    await view.drawn();
    assert.deepEqual(await legend(), ['val/loss', 'val/accuracy', 'lr']);
    await filter.fill('accuracy');
    await view.drawn();
    assert.deepEqual(await titles(), ['Accuracy']);
    await view.reload();
    await view.post(snapshot());
    assert.deepEqual(await titles(), ['Accuracy']);
    assert.equal(await filter.inputValue(), 'accuracy');

    await filter.fill('nothing (');
    await view.drawn();
    assert.match(
      await view.page.locator('.empty').innerText(),
      /No series matches\s+The filter is "nothing \("/,
    );
    await filter.fill('');
    await view.drawn();
    assert.equal((await titles()).length, 3);
    assert.equal(
      await view.page.evaluate('document.activeElement.getAttribute("aria-label")'),
      'Filter series',
      'typing goes on',
    );
    view.assertClean();
  });

  test('pinned charts stand first and stay there', async () => {
    await view.post(snapshot());
    await chart('learning rate').getByRole('button', { name: 'Pin' }).click();
    await view.drawn();
    assert.deepEqual(await titles(), ['Learning rate', 'Loss', 'Accuracy']);
    await view.reload();
    await view.post(snapshot());
    assert.deepEqual(await titles(), ['Learning rate', 'Loss', 'Accuracy']);
    const pin = chart('learning rate').getByRole('button', { name: 'Pin' });
    assert.equal(await pin.getAttribute('aria-pressed'), 'true');
    await pin.press('Enter');
    await view.drawn();
    assert.deepEqual(await titles(), ['Loss', 'Accuracy', 'Learning rate']);
  });

  test('the list of runs is filtered, says what they are doing, and takes all that are left', async () => {
    const runs = [
      named('seed-1', { name: 'training', label: 'training' }),
      named('seed-2', { name: 'stalled', label: 'stalled' }),
      named('baseline'),
    ];
    await view.post(snapshot({ runs }));
    await view.page.locator('.runs-button').click();
    await view.drawn();
    const list = view.page.locator('.runs li');
    assert.match(
      (await list.allInnerTexts()).slice(0, 3).join('|'),
      /seed-1\s*training\|seed-2\s*stalled\|baseline/,
    );
    await view.page.getByLabel('Filter runs').fill('seed');
    await view.drawn();
    // The run that is shown is not among the known ones: it stays to be taken back.
    assert.equal(await list.count(), 3);
    await view.page.getByRole('button', { name: 'All', exact: true }).click();
    assert.deepEqual((await view.sent()).at(-1), {
      kind: 'selectRuns',
      directories: ['/data/seed-1', '/data/seed-2'],
    });
    view.assertClean();
  });

  test('health is a quiet mark beside the title of its chart, and a sentence', async () => {
    const run = sampleRun();
    const health = [
      { tag: 'val/loss', kind: 'plateau', mark: 'plateau', sentence: 'val/loss has not improved.' },
      { tag: 'train/loss', kind: 'not-finite', mark: 'not finite', sentence: 'train/loss: 3 of 9.' },
    ] as const;
    await view.post(curvesSnapshot({ ...run, health }));
    const marks = chart('loss').locator('.health-mark');
    assert.deepEqual(await Promise.all((await marks.all()).map((mark) => mark.getAttribute('title'))), [
      'val/loss has not improved.',
      'train/loss: 3 of 9.',
    ]);
    assert.match(await marks.last().innerText(), /not finite/);
    assert.equal(await chart('accuracy').locator('.health-mark').count(), 0);
    await view.post({
      kind: 'increment',
      number: 2,
      more: false,
      gone: [],
      changed: [{ directory: run.directory, name: run.name, series: [], removed: [], health: [] }],
    });
    assert.equal(await view.page.locator('.health-mark').count(), 0);
    view.assertClean();
  });
});
