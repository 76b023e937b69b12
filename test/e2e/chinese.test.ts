/** The extension as it is seen where VS Code's display language is Simplified Chinese. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeWorkspace } from '../workspace.ts';
import { Workbench } from './workbench.ts';

describe('In Simplified Chinese', () => {
  let workspace: string;
  let workbench: Workbench;

  before(async () => {
    workspace = await mkdtemp(path.join(tmpdir(), 'twa-e2e-'));
    await makeWorkspace(workspace, 2);
    workbench = await Workbench.open(workspace, { language: 'zh-cn' });
  });
  after(async () => {
    await workbench.close();
    await rm(workspace, { recursive: true, maxRetries: 5 });
  });

  test('view, menus and pages are translated', () =>
    workbench.watched('chinese', async () => {
      await workbench.showView('训练');
      const checkpoint = workbench.rows(/^检查点 epoch-002/);
      await checkpoint.waitFor();
      await workbench.openMenu(checkpoint, '用 TWA 平均检查点…');
      const offered = (await workbench.menuItems.allTextContents()).join();
      assert.match(offered, /用 TWA 平均检查点…/);
      assert.match(offered, /显示学习曲线/);
      await workbench.screenshot('11-chinese-menu');
      await workbench.menuItems.filter({ hasText: '显示学习曲线' }).click();
      const curves = await workbench.webview('.toolbar #smoothing');
      assert.match(await curves.locator('.toolbar').innerText(), /平滑/);
      await workbench.screenshot('12-chinese-curves');
    }));
});
