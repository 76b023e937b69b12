/** The tensors page in a real browser, with VS Code's policy, themes and message channel played by `open.ts`. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Locator } from 'playwright-core';
import { type Browser, openBrowser } from '../../../scripts/workbench/browser.ts';
import { type OpenPage, openWebview } from './open.ts';
import { sampleCheckpoint, sampleComparison, sampleStatistics } from './tensorSamples.ts';

/** 4 tensors around them: 20,004 in all. */
const MANY_BLOCKS = 2000;

describe('tensors page', () => {
  let browser: Browser;
  let view: OpenPage;
  before(async () => (browser = await openBrowser()));
  after(() => browser.close());
  beforeEach(async () => {
    view = await openWebview(browser.page, 'tensors');
  });
  const rows = (): Locator => view.page.locator('.rows tbody tr[data-row]');
  const names = (): Promise<readonly string[]> => rows().locator('th').allInnerTexts();
  const button = (name: string): Locator => view.page.getByRole('button', { name, exact: true });
  const filter = async (text: string): Promise<void> => {
    await view.page.getByRole('searchbox').fill(text);
    await view.drawn();
  };
  const shown = (): Promise<string> => view.page.locator('.toolbar output').innerText();
  const show = (blocks?: number): Promise<void> =>
    view.post({ kind: 'checkpoint', checkpoint: sampleCheckpoint(blocks), statistics: [] });

  test('20,000 tensors: only those in sight are in the page, and the last can be reached', async () => {
    await show(MANY_BLOCKS);
    await rows().first().waitFor();
    assert.match(await shown(), /^20,004 of 20,004 shown/);
    assert.ok((await rows().count()) < 80);
    const grid = view.page.getByRole('grid');
    assert.equal(await grid.getAttribute('aria-rowcount'), '20005');
    await grid.focus();
    await view.page.keyboard.press('End');
    await view.drawn();
    assert.equal((await names()).at(-1), 'head.weight same as embed.weight');
    assert.ok((await rows().count()) < 80);
    const active = view.page.locator('tr[aria-selected="true"]');
    assert.equal(await active.getAttribute('aria-rowindex'), '20005');
    assert.equal(await grid.getAttribute('aria-activedescendant'), await active.getAttribute('id'));
    assert.ok(await active.isVisible());
    view.assertClean();
  });

  test('every row is where its number says, at any scroll position', async () => {
    await show(MANY_BLOCKS);
    for (const share of [0.1, 0.5, 0.93]) {
      await view.page.evaluate(
        `{ const rows = document.querySelector('.rows'); rows.scrollTop = ${share} * rows.scrollHeight; }`,
      );
      await view.drawn();
      const [height, top, first] = await view.page.evaluate<readonly [number, number, number]>(
        `{ const row = document.querySelector('.rows tr[data-row]');
           [row.offsetHeight, row.offsetTop, Number(row.dataset.row)] }`,
      );
      // The titles are as high as a row; borders add nothing.
      assert.ok(Math.abs(top - (first + 1) * height) <= 2, `${top} ${first} ${height}`);
    }
  });

  test('filters by text and by expression, and says how much is left', async () => {
    await show();
    await filter('NORM.weight');
    assert.equal(await shown(), '12 of 124 shown: 9,216 parameters, 36.0 KB');
    await filter('/^(embed|head)\\./');
    assert.deepEqual(await names(), ['embed.weight', 'head.weight same as embed.weight']);
    // Shared elements count once.
    assert.match(await shown(), /^2 of 124 shown: 38,597,376 parameters/);
    await filter('/^(embed|head/');
    assert.equal(await view.page.getByRole('searchbox').getAttribute('aria-invalid'), 'true');
    assert.equal((await names()).length, 2, 'the last filter that made sense stays');
    await filter('nothing like it');
    assert.equal(await view.page.locator('.nothing').innerText(), 'No tensor has a name like this.');
    assert.ok(await button('Compute Statistics').isDisabled());
    view.assertClean();
  });

  test('sorts by a column, the other way, and back to the order of the file; remembers it', async () => {
    await show();
    const inFile = await names();
    await button('Parameters').click();
    await view.drawn();
    assert.equal((await names())[0], 'embed.weight');
    const header = view.page.getByRole('columnheader', { name: 'Parameters' });
    assert.equal(await header.getAttribute('aria-sort'), 'descending');
    await button('Parameters').click();
    await view.drawn();
    assert.equal((await names())[0], 'temperature');
    await filter('blocks.1');
    await view.reload();
    await show();
    assert.equal(await header.getAttribute('aria-sort'), 'ascending');
    assert.equal(await view.page.getByRole('searchbox').inputValue(), 'blocks.1');
    await filter('');
    await button('Parameters').click();
    await view.drawn();
    assert.deepEqual(await names(), inFile);
    view.assertClean();
  });

  test('statistics: of one row, of what the filter shows, of all; progress with cancel', async () => {
    await show();
    await view.page.getByRole('grid').focus();
    await view.page.keyboard.press('ArrowDown');
    await view.page.keyboard.press('Enter');
    await rows().nth(2).hover();
    await rows().nth(2).getByRole('button').click();
    await filter('temperature');
    await button('Compute Statistics').click();
    await filter('');
    await button('Compute Statistics').click();
    assert.deepEqual((await view.sent()).slice(1), [
      { kind: 'compute', tensors: ['blocks.0.attn.q.weight'] },
      { kind: 'compute', tensors: ['blocks.0.attn.k.weight'] },
      { kind: 'compute', tensors: ['temperature'] },
      { kind: 'compute' },
    ]);
    await view.post({ kind: 'running', fraction: 0.25, tensor: 'embed.weight' });
    assert.equal(await view.page.getByRole('progressbar').getAttribute('value'), '0.25');
    assert.ok(await button('Compute Statistics').isHidden());
    await button('Cancel').click();
    assert.deepEqual((await view.sent()).at(-1), { kind: 'cancel' });
    await view.post({ kind: 'ended' });
    await view.post({ kind: 'statistics', rows: sampleStatistics() });
    assert.deepEqual((await rows().nth(3).locator('td').allInnerTexts()).slice(4), [
      '−0.4936',
      '0.4935',
      '−1.2e-5',
      '0.02630',
      '12',
    ]);
    await button('NaN, ∞').click();
    await view.drawn();
    assert.equal((await names())[0], 'blocks.0.attn.v.weight');
    await view.post({ kind: 'ended', message: 'It changed.' });
    assert.equal(await view.page.getByRole('alert').innerText(), 'It changed.');
    view.assertClean();
  });

  test('metadata and path are at hand', async () => {
    await show();
    await view.page.getByText('Metadata (3)').click();
    assert.match(await view.page.locator('.metadata tbody').innerText(), /config\s+\{"hidden_size": 768/);
    await button('Copy path').click();
    await view.page.getByRole('grid').focus();
    await view.page.keyboard.press('Home');
    await view.page.keyboard.press('Control+c');
    assert.deepEqual((await view.sent()).slice(1), [
      { kind: 'copy', text: '/data/runs/seed-1/model.safetensors' },
      { kind: 'copy', text: 'embed.weight' },
    ]);
    view.assertClean();
  });

  test('a comparison: what differs first, then layers by their change', async () => {
    await view.post(sampleComparison(12, false));
    await view.post({ kind: 'running', fraction: 0, tensor: '' });
    assert.deepEqual((await names()).slice(0, 4), [
      'embed.weight',
      'position_idsonly in A',
      'blocks.0.attn.scaleonly in B',
      'blocks.0.attn.q.weight',
    ]);
    assert.match(
      await view.page.locator('.structure').innerText(),
      /^3 tensors exist on one side only, or differ in shape or type$/,
    );
    await view.page.getByRole('searchbox').focus();
    const { changes } = sampleComparison();
    await view.post({ kind: 'changes', changes: changes! });
    await view.post({ kind: 'ended' });
    await view.page.keyboard.type('blocks.');
    assert.equal(await view.page.getByRole('searchbox').inputValue(), 'blocks.', 'typing goes on');
    await filter('');
    assert.match(await rows().nth(0).innerText(), /\[50257, 768\] → \[50304, 768\]/);
    assert.equal((await names())[3], 'blocks.1.attn.k.weight');
    assert.equal(await shown(), '125 of 125 tensors shown');
    await filter('blocks.11.norm');
    assert.deepEqual(await names(), ['blocks.11.norm', 'blocks.11.norm.weight', 'blocks.11.norm.bias']);
    assert.equal(await button('Compare').count(), 0);
    assert.deepEqual((await view.sent()).slice(1), []);
    view.assertClean();
  });

  test('a checkpoint that cannot be shown is explained', async () => {
    const message = 'cut.safetensors ends 5 bytes early; it is still being written, or was cut off.';
    await view.post({
      kind: 'unavailable',
      title: 'Not complete',
      message,
      details: ['/data/cut.safetensors'],
    });
    assert.match(await view.page.getByRole('status').innerText(), /Not complete\s+cut\.safetensors ends/);
    await show();
    assert.equal((await names())[0], 'embed.weight', 'and shown once it can be');
    view.assertClean();
  });
});
