/** The main job, as a user does it: watch a run, select, right-click, TWA, read the result. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeWorkspace } from '../workspace.ts';
import { Workbench } from './workbench.ts';

describe('From a run to a better model', () => {
  let folder: string;
  let workspace: string;
  let workbench: Workbench;
  const averages = () => {
    const directory = path.join(workspace, 'runs/digits/averages');
    return existsSync(directory) ? readdirSync(directory).sort() : [];
  };
  const step = (name: string, work: () => Promise<void>) => test(name, () => workbench.watched(name, work));

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'twa-e2e-'));
    workspace = path.join(folder, 'workspace');
    await makeWorkspace(workspace, 8);
    // Held back, to be written while the view is open.
    await rename(path.join(workspace, 'runs/digits/epoch-008'), path.join(folder, 'epoch-008'));
    workbench = await Workbench.open(workspace);
  });
  after(async () => {
    await workbench.close();
    await rm(folder, { recursive: true, maxRetries: 5 });
  });

  step('the side bar lists the run and its checkpoints', async () => {
    await workbench.showView('Training');
    await workbench.rows(/^Run .*digits/).waitFor();
    await workbench.rows(/^Checkpoint epoch-007/).waitFor();
    assert.equal(await workbench.rows(/^Checkpoint /).count(), 7);
    await workbench.screenshot('1-runs');
  });

  step('a checkpoint that training writes appears by itself', async () => {
    await rename(path.join(folder, 'epoch-008'), path.join(workspace, 'runs/digits/epoch-008'));
    await workbench.rows(/^Checkpoint epoch-008/).waitFor();
  });

  step('TWA on the ticked checkpoints shows a result', async () => {
    for (const epoch of [4, 5, 6, 7, 8]) {
      const row = workbench.rows(new RegExp(`^Checkpoint epoch-00${epoch}`));
      await workbench.checkbox(row).click();
    }
    await workbench.sideBar.getByText(/5 checked/).waitFor();
    await workbench.openMenu(workbench.rows(/^Checkpoint epoch-006/));
    await workbench.screenshot('2-context-menu');
    await workbench.menuItems.filter({ hasText: 'Average Checkpoints with TWA…' }).click();
    await workbench.picks.first().waitFor();
    await workbench.screenshot('3-method');
    await workbench.pick('TWA, free coefficients');

    const result = await workbench.webview('.report h1');
    const sentence = await result.locator('h1').textContent();
    assert.ok(sentence !== null && sentence.length > 20, sentence ?? '');
    const rows = await result.locator('.comparison tbody tr').allTextContents();
    assert.ok(rows.length >= 4, rows.join('\n'));
    for (const label of ['single', 'Last', 'niform', 'TWA']) {
      assert.ok(
        rows.some((row) => row.includes(label)),
        `${label} in\n${rows.join('\n')}`,
      );
    }
    assert.deepEqual(averages(), ['twa-iclr-1']);
    await workbench.screenshot('4-result');
  });

  step('the average stands in the tree and on the curve', async () => {
    await workbench.rows(/^Average twa-iclr-1, TWA/).waitFor();
    await workbench.runCommand('TWA: Show Learning Curves');
    const curves = await workbench.webview('.toolbar #smoothing');
    await curves.locator('canvas').first().waitFor();
    await workbench.screenshot('5-curves');
    await curves.getByRole('button', { name: 'table' }).click();
    await curves.getByRole('rowheader', { name: 'twa-iclr-1' }).waitFor();
    assert.equal(await curves.getByRole('rowheader', { name: /^epoch-/ }).count(), 8);
    await curves.getByRole('button', { name: 'table' }).click();
  });
});
