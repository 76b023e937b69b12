/** Somebody who has just installed the extension: from an empty window to a better model, by what the view offers. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Workbench } from './workbench.ts';

/** So many epochs have been trained when the newcomer averages; the training goes on meanwhile. */
const EPOCHS = 12;

describe('A newcomer', () => {
  let parent: string;
  let workbench: Workbench;

  before(async () => {
    parent = await mkdtemp(path.join(tmpdir(), 'twa-newcomer-'));
    workbench = await Workbench.open(undefined);
  });
  after(async () => {
    await workbench.close();
    await rm(parent, { recursive: true, maxRetries: 5 });
  });

  test('opens the example, watches it train and averages it', (t) =>
    workbench.watched('newcomer', async () => {
      const start = Date.now();
      await workbench.showView('Training');
      const open = workbench.sideBar.getByRole('button', { name: 'Open the Example…' });
      await open.waitFor();
      await workbench.screenshot('20-welcome');
      await open.click();
      // The dialog of a remote machine is a line to type in.
      const where = workbench.page.locator('.quick-input-widget:visible input').first();
      await where.fill(`${parent}/`);
      await workbench.page.locator('.quick-input-widget:visible').getByText('Make It Here').click();

      await workbench.rows(new RegExp(`^Checkpoint epoch-0${EPOCHS}`)).waitFor({ timeout: 120_000 });
      await workbench.webview('.toolbar #smoothing');
      await workbench.screenshot('21-example-trains');
      await workbench.chooseFromMenu(workbench.rows(/^Run /), 'Select Last N…');
      const count = workbench.page.locator('.quick-input-widget:visible input').first();
      await count.fill('8');
      await count.press('Enter');
      await workbench.sideBar
        .getByText(/8 checked/i)
        .first()
        .waitFor();
      await workbench.runCommand('TWA: Average Checkpoints with TWA…');
      // What is proposed is taken.
      await workbench.pick('TWA, coefficients sum to one');
      await workbench.pick('Start Averaging');
      const result = await workbench.webview('.report h1');
      await workbench.screenshot('22-newcomer-result');
      assert.match((await result.locator('.comparison').textContent()) ?? '', /Plain average/);
      const [project] = readdirSync(parent);
      const averages = readdirSync(path.join(parent, project!, 'runs/digits/averages'));
      assert.ok(averages.includes('twa-v4-1'), averages.join());
      t.diagnostic(
        `from an empty window to the result of TWA: ${((Date.now() - start) / 1000).toFixed(0)} s`,
      );
    }));
});
