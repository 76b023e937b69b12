/** A workspace that is not trusted can be looked at; nothing in it is run or written. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeWorkspace } from '../workspace.ts';
import { Workbench } from './workbench.ts';

describe('Restricted Mode', () => {
  let workspace: string;
  let workbench: Workbench;

  before(async () => {
    workspace = await mkdtemp(path.join(tmpdir(), 'twa-e2e-'));
    await makeWorkspace(workspace, 2);
    workbench = await Workbench.open(workspace, { workspaceTrust: true });
  });
  after(async () => {
    await workbench.close();
    await rm(workspace, { recursive: true, maxRetries: 5 });
  });

  test('shows runs and offers no averaging', () =>
    workbench.watched('restricted', async () => {
      await workbench.page.getByRole('button', { name: /^No/ }).click();
      // Moves everything down when it comes.
      await workbench.page.getByText('Restricted Mode is intended').waitFor();
      await workbench.showView('Training');
      const checkpoint = workbench.rows(/^Checkpoint epoch-002/);
      await checkpoint.waitFor();
      await workbench.openMenu(checkpoint, 'Show Learning Curves');
      const offered = await workbench.menuItems.allTextContents();
      assert.ok(
        offered.some((label) => label.includes('Show Learning Curves')),
        offered.join(),
      );
      assert.ok(!offered.some((label) => label.includes('Average')), offered.join());
      await workbench.page.keyboard.press('Escape');

      // In full: of a list that is longer than the window only a part is there.
      await workbench.searchPalette('TWA: Show Learning Curves');
      await workbench.picks.filter({ hasText: 'TWA: Show Learning Curves' }).first().waitFor();
      await workbench.page.keyboard.press('Escape');
      await workbench.searchPalette('TWA: Average');
      await workbench.page.waitForTimeout(500);
      assert.equal(await workbench.picks.filter({ hasText: 'TWA: Average' }).count(), 0);
      await workbench.screenshot('10-restricted');
      assert.ok(!existsSync(path.join(workspace, 'runs/digits/averages')));
    }));
});
