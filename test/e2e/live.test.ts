/** "Keep Averaged" as its user sees it: from the menu of a run that trains to the second curve, and after a reload. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { continueRun, makeWorkspace } from '../workspace.ts';
import { Workbench } from './workbench.ts';

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('Keep Averaged', () => {
  let folder: string;
  let workbench: Workbench;
  const train = (from: number, to: number) =>
    continueRun(path.join(folder, 'runs/digits'), path.join(folder, 'runs/now'), range(from, to));
  const row = (text: RegExp) => workbench.rows(text).first();

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'twa-e2e-live-'));
    await makeWorkspace(folder, 12);
    // Finished by its plan: the run to compare with.
    await writeFile(path.join(folder, 'runs/digits/args.json'), '{"epochs": 12}');
    await mkdir(path.join(folder, '.vscode'));
    await writeFile(path.join(folder, '.vscode/settings.json'), '{"twa.live.every": 3}');
    await train(1, 4);
    workbench = await Workbench.open(folder);
  });
  after(async () => {
    await workbench.close();
    await rm(folder, { recursive: true, maxRetries: 5 });
  });

  test('draws what averaging comes to above the curve of the training, also after a reload', () =>
    workbench.watched('Keep Averaged', async () => {
      await workbench.showView('Training');
      await workbench.chooseFromMenu(row(/^Run runs\/now/), 'Keep Averaged');
      await row(/^Run runs\/now.*averaged live: accuracy [\d.]+ after epoch 4/).waitFor();
      await train(5, 7);
      await row(/^Run runs\/now.*averaged live: accuracy [\d.]+ after epoch 7/).waitFor();
      await workbench.chooseFromMenu(row(/^Run runs\/now/), 'Show Learning Curves');
      const curves = await workbench.webview('.toolbar #smoothing');
      await curves.getByText('averaged/accuracy').first().waitFor();

      await workbench.reload();
      await workbench.showView('Training');
      await row(/^Run runs\/now.*after epoch 7/).waitFor();
      await train(8, 10);
      await row(/^Run runs\/now.*averaged live: accuracy [\d.]+ after epoch 10/).waitFor();
      const again = await workbench.webview('.toolbar #smoothing');
      await again.getByText('averaged/accuracy').first().waitFor();
      await workbench.screenshot('live');

      await workbench.chooseFromMenu(row(/^Run runs\/now/), 'Stop Keeping Averaged');
      await row(/^Run runs\/now(?!.*averaged)/).waitFor();
      assert.deepEqual(workbench.problems(/Content Security Policy|Refused to/), []);
    }));
});
