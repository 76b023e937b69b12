/** The pictures of the README: the main job on the digits example, in stills and in one that moves. */
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Workbench } from '../test/e2e/workbench.ts';
import { EVERY } from '../src/core/live/schedule.ts';
import { continueRun, makeWorkspace } from '../test/workspace.ts';
import { animate, type Frame } from './apng.ts';

const images = path.resolve(import.meta.dirname, '../docs/images');
const EPOCHS = 30;
/** Charts and menus have come to rest. */
const SETTLED_MS = 700;

const folder = await mkdtemp(path.join(tmpdir(), 'twa-pictures-'));
const workspace = path.join(folder, 'digits');
await makeWorkspace(workspace, EPOCHS);
const workbench = await Workbench.open(workspace);
const frames: Frame[] = [];

/** Adds a frame to the moving picture, and gives it as a still. */
async function frame(milliseconds: number): Promise<Buffer> {
  const png = await workbench.page.screenshot();
  frames.push({ png, milliseconds });
  return png;
}

/** A run that trains beside it, and the curve of its average. */
async function keepAveraged(): Promise<void> {
  const now = path.join(workspace, 'runs/now');
  const epochs = Array.from({ length: EPOCHS - 2 }, (_, i) => i + 1);
  await continueRun(path.join(workspace, 'runs/digits'), now, epochs.slice(0, 3));
  const row = (text: RegExp) => workbench.rows(text).first();
  await workbench.chooseFromMenu(row(/^Run runs\/now/), 'Keep Averaged');
  for (let epoch = 3; epoch < epochs.length; epoch += EVERY) {
    await row(new RegExp(`^Run runs/now.*after epoch ${epoch}`)).waitFor();
    await continueRun(path.join(workspace, 'runs/digits'), now, epochs.slice(epoch, epoch + EVERY));
  }
  await row(new RegExp(`^Run runs/now.*after epoch ${epochs.length}`)).waitFor();
  await workbench.chooseFromMenu(row(/^Run runs\/now/), 'Show Learning Curves');
  await workbench.editorTab(/now/).waitFor();
  await sleep(4 * SETTLED_MS);
  await writeFile(path.join(images, 'live.png'), await workbench.page.screenshot());
}

try {
  await mkdir(images, { recursive: true });
  await workbench.showView('Training');
  await workbench.rows(new RegExp(`^Checkpoint epoch-0${EPOCHS}`)).waitFor();
  await sleep(SETTLED_MS);
  await frame(1500);
  await workbench.tick(
    workbench.rows(/^Run /),
    workbench.sideBar.getByText(new RegExp(`${EPOCHS} checked`, 'i')).first(),
  );
  await sleep(SETTLED_MS);
  await frame(1200);
  await workbench.openMenu(workbench.rows(/^Checkpoint epoch-012/));
  await frame(1500);
  await workbench.menuItems.filter({ hasText: 'Average Checkpoints with TWA…' }).click();
  await workbench.picks.first().waitFor();
  await sleep(SETTLED_MS);
  await frame(1800);
  await workbench.page.keyboard.press('Enter');
  await workbench.picks.filter({ hasText: 'Start Averaging' }).waitFor();
  await sleep(SETTLED_MS);
  await frame(2500);
  await workbench.page.keyboard.press('Enter');
  const toast = workbench.toast(/Averaging/);
  for (const epoch of [1, 4, 7, 10]) {
    // Whatever comes first: a fast machine may have passed it.
    await Promise.race([
      toast.getByText(new RegExp(`epoch (${epoch}|1?[${epoch}-9]) of`)).waitFor(),
      workbench.webview('.report h1'),
    ]);
    await frame(700);
  }
  await workbench.webview('.report h1');
  await toast.waitFor({ state: 'detached' });
  await sleep(SETTLED_MS);
  await writeFile(path.join(images, 'result.png'), await frame(4000));
  await workbench.runCommand('TWA: Show Learning Curves');
  await workbench.webview('.toolbar #smoothing');
  await sleep(2 * SETTLED_MS);
  await writeFile(path.join(images, 'curves.png'), await frame(3000));
  await writeFile(path.join(images, 'journey.png'), animate(frames));
  await keepAveraged();
} finally {
  await workbench.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
