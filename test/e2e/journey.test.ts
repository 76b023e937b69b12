/** The main job, as a user does it: watch a run, select, right-click, TWA, read the result. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeWorkspace } from '../workspace.ts';
import { eventually, Workbench } from './workbench.ts';

const REPORT = '.report h1';
const CURVES = '.toolbar #smoothing';
const PANELS = [
  { name: 'curves', tab: /^Curves/, shows: CURVES },
  { name: 'result', tab: /twa-iclr-1/, shows: REPORT },
];
/** As the theme picker calls them, and how a page's body is marked under them. */
const THEMES = [
  { name: 'dark', label: 'Dark Modern', mark: 'vscode-dark' },
  { name: 'light', label: 'Light Modern', mark: 'vscode-light' },
  { name: 'high-contrast', label: 'Dark High Contrast', mark: 'vscode-high-contrast' },
  { name: 'high-contrast-light', label: 'Light High Contrast', mark: 'vscode-high-contrast-light' },
];
/** For the page: whether a canvas shows the yellow that only averages have. */
const HAS_STAR = `(() => {
  const probe = document.createElement('canvas').getContext('2d');
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--vscode-charts-yellow');
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  return [...document.querySelectorAll('canvas')].some((canvas) => {
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.some((value, i) => i % 4 === 0 && value === red && pixels[i + 1] === green && pixels[i + 2] === blue);
  });
})()`;
/** For the page: by how many pixels it is wider than its window. */
const OVERFLOW = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';

/** Gives the task a loss that takes its time, so that a pass can be cancelled on a machine of any speed. */
async function slowDown(workspace: string): Promise<void> {
  const loss = `export function loss(model, { xs, ys }, { tf, training }) {
    if (training) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    return tf.losses.softmaxCrossEntropy(ys, model.apply(xs, { training }));
  }`;
  await writeFile(path.join(workspace, 'slow.mjs'), loss);
  const file = path.join(workspace, 'twa.json');
  const task = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  await writeFile(file, JSON.stringify({ ...task, loss: undefined, module: 'slow.mjs' }));
}

describe('From a run to a better model', () => {
  let folder: string;
  let workspace: string;
  let workbench: Workbench;
  /** Hidden files included: partial ones are. */
  const averages = () => {
    const directory = path.join(workspace, 'runs/digits/averages');
    return existsSync(directory) ? readdirSync(directory).sort() : [];
  };
  /** What the title of the view says. */
  const checkedTitle = (count: number) =>
    workbench.sideBar.getByText(new RegExp(`${count} checked`, 'i')).first();
  let broken = false;
  /** Each takes up where the one before left off. */
  const step = (name: string, work: () => Promise<void>) =>
    test(name, async (t) => {
      if (broken) {
        t.skip('an earlier step failed');
        return;
      }
      broken = true;
      await workbench.watched(name, work);
      broken = false;
    });

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
    for (const [i, epoch] of [4, 5, 6, 7, 8].entries()) {
      await workbench.tick(workbench.rows(new RegExp(`^Checkpoint epoch-00${epoch}`)), checkedTitle(i + 1));
    }
    await workbench.openMenu(workbench.rows(/^Checkpoint epoch-006/), 'Average Checkpoints with TWA…');
    await workbench.screenshot('2-context-menu');
    await workbench.menuItems.filter({ hasText: 'Average Checkpoints with TWA…' }).click();
    await workbench.picks.first().waitFor();
    await workbench.screenshot('3-method');
    await workbench.pick('TWA, free coefficients');
    await workbench.picks.filter({ hasText: '5 checkpoints fit together' }).waitFor();
    await workbench.screenshot('3-summary');
    await workbench.pick('Start Averaging');

    const result = await workbench.webview(REPORT);
    assert.match((await result.locator('h1').textContent()) ?? '', /report examples/);
    await result.getByRole('button', { name: 'Run Again with…' }).waitFor();
    const rows = await result.locator('.comparison tbody tr').allTextContents();
    for (const label of ['Best single', 'Last', 'Plain average', 'TWA']) {
      assert.ok(
        rows.some((row) => row.startsWith(label)),
        `${label} in\n${rows.join('\n')}`,
      );
    }
    assert.deepEqual(averages(), ['twa-iclr-1']);
    await workbench.screenshot('4-result');
  });

  step('the average stands in the tree and as a star on the curve', async () => {
    await workbench.rows(/^Average twa-iclr-1, TWA/).waitFor();
    await workbench.runCommand('TWA: Show Learning Curves');
    const curves = await workbench.webview(CURVES);
    await eventually(
      'a star on the curve',
      async () => (await curves.evaluate<boolean>(HAS_STAR)) || undefined,
    );
    await workbench.screenshot('5-curves');

    await curves.getByRole('button', { name: 'table' }).click();
    await curves.getByRole('rowheader', { name: 'twa-iclr-1' }).waitFor();
    assert.equal(await curves.getByRole('rowheader', { name: /^epoch-/ }).count(), 8);
    await curves.getByRole('button', { name: 'table' }).click();
  });

  step('the Explorer offers the same for a folder', async () => {
    await workbench.showView('Explorer');
    await workbench.files('runs').click();
    await workbench.chooseFromMenu(
      workbench.files('digits'),
      'Trainable Weight Averaging',
      'Average Uniformly (SWA)',
    );
    await workbench.editorTab(/uniform-1/).waitFor();
    assert.deepEqual(averages(), ['twa-iclr-1', 'uniform-1']);
  });

  step('a reloaded window has its panels and checks again', async () => {
    await workbench.reload();
    for (const { tab, shows } of PANELS) {
      await workbench.editorTab(tab).click();
      await workbench.webview(shows);
    }
    await workbench.showView('Training');
    await checkedTitle(5).waitFor();
  });

  step('cancelling from the notification leaves nothing behind', async () => {
    await slowDown(workspace);
    await workbench.runCommand('TWA: Average Checkpoints with TWA…');
    await workbench.pick('TWA, free coefficients');
    await workbench.pick('Start Averaging');
    const toast = workbench.toast(/Averaging 5 checkpoints/);
    await toast.getByText(/epoch [2-9]/).waitFor();
    await workbench.screenshot('6-progress');
    await toast.getByRole('button', { name: 'Cancel' }).click();
    await toast.waitFor({ state: 'detached' });
    assert.deepEqual(averages(), ['twa-iclr-1', 'uniform-1']);
    await workbench.screenshot('7-cancelled');
    await workbench.closeEditor(/^Averaging/);
  });

  step('the panels follow the theme', async () => {
    for (const { name, label, mark } of THEMES) {
      await workbench.setTheme(label);
      for (const panel of PANELS) {
        await workbench.editorTab(panel.tab).click();
        await workbench.webview(`body.${mark} ${panel.shows}`);
        await workbench.screenshot(`8-${name}-${panel.name}`);
      }
    }
  });

  step('the panels fit a narrow window', async () => {
    await workbench.page.setViewportSize({ width: 640, height: 900 });
    for (const panel of PANELS) {
      await workbench.editorTab(panel.tab).click();
      const frame = await workbench.webview(panel.shows);
      await workbench.screenshot(`9-narrow-${panel.name}`);
      const overflow = await frame.evaluate<number>(OVERFLOW);
      assert.ok(overflow <= 0, `${panel.name}: ${overflow} pixels too wide`);
    }
  });

  step('killing the extension host in the middle of a pass leaves nothing behind', async () => {
    await workbench.page.setViewportSize({ width: 1400, height: 900 });
    await workbench.runCommand('TWA: Average Checkpoints with TWA…');
    await workbench.pick('TWA, free coefficients');
    await workbench.pick('Start Averaging');
    await workbench.rows(/^Averaging 5 checkpoints.*epoch [2-9]/).waitFor();
    await workbench.screenshot('10-queue');
    const [host, compute] = descendantsOf(process.pid).flatMap((pid) => {
      const child = childrenOf(pid).find((one) => commandOf(one).includes('compute.mjs'));
      return child === undefined ? [] : [pid, child];
    });
    assert.ok(host !== undefined && compute !== undefined, 'a compute process runs');
    process.kill(host, 'SIGKILL');
    await eventually('the compute process to end', () => (commandOf(compute) === '' ? true : undefined));
    assert.deepEqual(averages(), ['twa-iclr-1', 'uniform-1']);
  });

  step('no page broke a rule of its content security policy', () => {
    assert.deepEqual(workbench.problems(/content security policy/i), []);
    return Promise.resolve();
  });
});

/** Process ids. Linux, where the tests of the workbench run. */
function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

const descendantsOf = (pid: number): readonly number[] =>
  childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);

/** Of a process that is alive, else empty. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
