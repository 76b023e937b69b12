/** "Set Up GPU" and "Show Compute Devices" as they are seen; what they install, once chosen: setup-install.test.ts. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Workbench } from './workbench.ts';

describe('Compute devices', () => {
  let folder: string;
  let data: string;
  let workbench: Workbench;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'twa-e2e-'));
    data = await mkdtemp(path.join(tmpdir(), 'twa-data-'));
    // Where what is set up would lie.
    workbench = await Workbench.open(folder, { environment: { TWA_HOME: data } });
  });
  after(async () => {
    await workbench.close();
    for (const each of [folder, data]) await rm(each, { recursive: true, maxRetries: 5 });
  });

  test('Set Up GPU says what each way does, and does nothing before the user agrees', () =>
    workbench.watched('set-up-gpu', async () => {
      await workbench.runCommand('TWA: Set Up GPU');
      const webgpu = workbench.picks.filter({ hasText: /WebGPU/ }).first();
      await webgpu.waitFor();
      await workbench.screenshot('23-set-up-gpu');
      const input = workbench.page.locator('.quick-input-widget:visible input').first();
      assert.match((await input.getAttribute('placeholder')) ?? '', /computes now\./);
      const ways = await workbench.picks.allTextContents();
      assert.ok(ways.length >= 3, ways.join('\n'));
      assert.ok(
        ways.some((way) => /download/i.test(way)),
        ways.join('\n'),
      );
      await webgpu.click();
      const question = workbench.page.locator('.monaco-dialog-box');
      await question.waitFor();
      await workbench.screenshot('23-set-up-gpu-question');
      const asked = (await question.textContent()) ?? '';
      for (const part of [/from npm \(\d+ MB\)/, /Nothing is compiled/, /computes now\./]) {
        assert.match(asked, part);
      }
      assert.ok(asked.includes(data), asked);
      await question.getByRole('button', { name: 'Cancel' }).click();
      await question.waitFor({ state: 'detached' });
      assert.deepEqual(readdirSync(data), []);
    }));

  test('Show Compute Devices tells what works and why the rest does not', () =>
    workbench.watched('devices', async () => {
      await workbench.runCommand('TWA: Show Compute Devices');
      const wasm = workbench.picks.filter({ hasText: 'wasm' }).filter({ hasText: 'Gradients checked' });
      await wasm.first().waitFor();
      await workbench.screenshot('24-devices');
      const refused = workbench.picks.filter({ hasText: 'tensorflow' }).first();
      assert.match((await refused.textContent()) ?? '', /not usable here|Gradients checked/);
      await workbench.page.keyboard.press('Escape');
    }));
});
