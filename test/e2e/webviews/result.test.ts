/** The result page in a real browser, with VS Code's policy, themes and message channel played by `open.ts`. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Locator } from 'playwright-core';
import { type Browser, openBrowser } from '../../../scripts/workbench/browser.ts';
import type { LivePassState, ToResult } from '../../../webview/protocol.ts';
import { type OpenPage, openWebview } from './open.ts';
import { sampleLossCurve, sampleReport } from './samples.ts';

const report = sampleReport();
const message: ToResult = { kind: 'report', path: '/r.json', report };
const live: LivePassState = {
  title: 'Averaging 20 checkpoints',
  checkpoints: report.provenance.sources,
  cancellable: true,
  fraction: 0,
  message: '',
  points: [],
};

describe('result page', () => {
  let browser: Browser;
  let view: OpenPage;
  before(async () => (browser = await openBrowser()));
  after(() => browser.close());
  beforeEach(async () => {
    view = await openWebview(browser.page, 'result');
  });
  const button = (name: string): Locator => view.page.getByRole('button', { name, exact: true });

  test('says first which weights to use, and marks them', async () => {
    await view.post(message);
    assert.equal(
      await view.page.getByRole('heading', { level: 1 }).innerText(),
      report.recommendation.sentence,
    );
    assert.equal(await view.page.locator('.headline .gain').innerText(), report.recommendation.gain);
    const rows = view.page.locator('.comparison tbody tr');
    assert.deepEqual(
      await rows.locator('.label').allInnerTexts(),
      report.table.map(({ label }) => label),
    );
    const recommended = view.page.locator('.comparison tbody tr', { hasText: 'Recommended' });
    assert.equal(await recommended.count(), 1);
    assert.match(
      await recommended.innerText(),
      /Plain average of 20\s*Recommended\s*0\.978 \[0\.961, 0\.992\]/,
    );
    assert.match(await rows.first().innerText(), /−0\.011 \[−0\.022, 0\.000\]/);
    view.assertClean();
  });

  test('bars of a column share one scale', async () => {
    await view.post(message);
    const rows = await view.page.locator('.comparison tbody tr').all();
    const intervals = report.table.map(({ metricInterval }) => metricInterval);
    const low = Math.min(...intervals.map((interval) => interval.low));
    const high = Math.max(...intervals.map((interval) => interval.high));
    for (const [index, interval] of intervals.entries()) {
      const whisker = rows[index]!.locator('td.bar line.whisker').first();
      for (const [attribute, end] of [
        ['x1', interval.low],
        ['x2', interval.high],
      ] as const) {
        const at = parseFloat((await whisker.getAttribute(attribute))!);
        // 2 % of margin on both sides.
        assert.ok(Math.abs(at - (2 + (96 * (end - low)) / (high - low))) < 1e-6);
      }
    }
  });

  test('a command that prints one number has neither a loss nor intervals', async () => {
    const unknown = { low: NaN, high: NaN };
    const table = report.table.map((row) => ({
      ...row,
      metricInterval: unknown,
      loss: NaN,
      lossInterval: unknown,
      ...(row.metricVersusUniform && { metricVersusUniform: { difference: 0.25, ...unknown } }),
    }));
    await view.post({ ...message, report: { ...report, table } });
    const comparison = await view.page.locator('.comparison').innerText();
    assert.match(comparison, /\+0\.2500/);
    assert.doesNotMatch(comparison, /NaN|\[|loss/i);
    view.assertClean();
  });

  test('hands out paths and hashes', async () => {
    await view.post(message);
    await button('Show in tree').click();
    await button('Copy path').first().click();
    await button('Open report file').click();
    await view.page.locator('.sources').getByRole('button', { name: 'epoch-011.safetensors' }).click();
    await view.page.locator('.sources').getByRole('button', { name: 'Copy SHA-256' }).first().click();
    const [source] = report.provenance.sources;
    assert.deepEqual((await view.sent()).slice(1), [
      { kind: 'reveal', path: report.output },
      { kind: 'copy', text: report.output },
      { kind: 'openFile' },
      { kind: 'reveal', path: source!.path },
      { kind: 'copy', text: source!.sha256 },
    ]);
  });

  test('charts answer to the keyboard and have tables', async () => {
    await view.post(message);
    const [curve, bars] = [view.page.locator('.plot').first(), view.page.locator('.plot').nth(1)];
    await bars.focus();
    await view.page.keyboard.press('End');
    assert.match(
      await bars.locator('.tooltip').innerText(),
      /epoch-030\.safetensors\s+epoch 30 · step 1200\s+Coefficient/,
    );
    await curve.focus();
    await view.page.keyboard.press('Home');
    assert.match(await curve.locator('[aria-live]').innerText(), /step 0 · epoch 0, fit loss/);
    await button('Show data table').click();
    await view.drawn();
    assert.equal(
      await view.page.getByRole('table', { name: 'Coefficients', exact: true }).locator('tbody tr').count(),
      report.coefficients.length,
    );
    // The choice is remembered, and the report with it for the panel's serializer.
    await view.reload();
    await view.post(message);
    assert.equal(await button('Show data table').getAttribute('aria-pressed'), 'true');
    view.assertClean();
  });

  test('follows a pass and becomes its report', async () => {
    const points = sampleLossCurve();
    await view.post({ kind: 'live', number: 1, live });
    assert.equal(await view.page.getByRole('status').innerText(), 'Starting…');
    await view.post({
      kind: 'progress',
      number: 2,
      phase: 'training',
      fraction: 0.25,
      message: 'epoch 1 of 10',
      points: points.slice(0, 7),
      coefficients: report.coefficients,
    });
    assert.equal(await view.page.getByRole('progressbar').getAttribute('aria-valuenow'), '25');
    assert.equal(await view.page.locator('[aria-current="step"]').innerText(), 'Training the coefficients');
    await button('Show data table').click();
    await view.post({
      kind: 'progress',
      number: 3,
      phase: 'training',
      fraction: 0.5,
      message: 'epoch 2 of 10',
      points: points.slice(7, 13),
    });
    const table = view.page.getByRole('table', { name: 'Learning the coefficients' });
    assert.equal(await table.locator('tbody tr').count(), 13);
    await button('Cancel').click();
    assert.deepEqual((await view.sent()).at(-1), { kind: 'cancel' });
    // A gap is noticed, and the whole state mends it.
    await view.post({ kind: 'progress', number: 5, phase: 'writing', fraction: 0, message: '', points: [] });
    assert.deepEqual((await view.sent()).at(-1), { kind: 'resync' });
    await view.post({ kind: 'live', number: 6, live: { ...live, points } });
    assert.equal(await table.locator('tbody tr').count(), points.length);
    await view.post(message);
    assert.equal(await view.page.locator('.comparison').count(), 1);
    assert.equal(await view.page.getByRole('progressbar').count(), 0);
    view.assertClean();
  });

  test('says why a pass did not finish', async () => {
    await view.post({
      kind: 'live',
      number: 1,
      live: { ...live, cancellable: false, failure: { message: 'Out of memory.', details: ['one', 'two'] } },
    });
    const alert = view.page.getByRole('alert');
    assert.match(await alert.innerText(), /Out of memory\.\s+one\s+two\s+No file was written\./);
    assert.equal(await button('Cancel').isVisible(), false);
    assert.equal(await view.page.locator('.plot').first().isVisible(), false);
  });

  test('without a task there is no table, and what would make one', async () => {
    await view.post({ ...message, report: sampleReport(false) });
    assert.equal(await view.page.locator('.comparison').count(), 0);
    assert.match(await view.page.locator('.hint').innerText(), /task file \(twa\.json\)/);
    view.assertClean();
  });

  test('fits into 300 pixels', async () => {
    await view.page.setViewportSize({ width: 300, height: 700 });
    await view.post(message);
    assert.equal(await view.page.evaluate('document.documentElement.scrollWidth'), 300);
  });
});
