import assert from 'node:assert/strict';
import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import type { Dialogs } from '../../src/extension/dialogs.ts';
import type { Internals } from '../../src/extension/extension.ts';
import { copyRun, copyTask, eventually, internals, workspace } from './extension.ts';

describe('Runs in the tree', () => {
  let twa: Internals;
  let trained: string;
  const live = path.join(workspace, 'runs', 'live');
  const log = path.join(live, 'metrics.csv');
  const said: string[] = [];
  const undo: (() => unknown)[] = [];

  const call = (command: string, ...args: unknown[]) => vscode.commands.executeCommand(command, ...args);
  const answer = (answers: Partial<Dialogs>) => undo.push(twa.answerWith(answers));
  const runAt = (at: string) => twa.runs.snapshot.runs.find((run) => run.directory === at);
  const checked = () => [...twa.view.checked].map((file) => path.basename(file)).sort();
  /** What stands in the tree, as a user sees it: names of ours only. */
  const shown = () =>
    twa.view.tree.getChildren().flatMap((node) => {
      const ours = node.kind === 'run' && [trained, live].includes(node.directory);
      return ours ? [path.basename(node.directory)] : [];
    });
  const row = (at: string) => {
    const node = twa.view.tree.node(at);
    return node && twa.view.tree.row(node);
  };
  /** A point a second, the newest now. */
  const write = async (points: number) => {
    await mkdir(live, { recursive: true });
    const now = Date.now();
    const rows = Array.from({ length: points }, (_, i) => {
      const at = new Date(now - 1000 * (points - 1 - i)).toISOString();
      return `${at},${10 * (i + 1)},${1 / (i + 1)}`;
    });
    await writeFile(log, `timestamp,step,val_loss\n${rows.join('\n')}\n`);
    await writeFile(path.join(live, 'args.yaml'), 'max_steps: 1000\n');
  };

  before(async () => {
    twa = await internals();
    await copyTask();
    trained = await copyRun('trained');
    await write(20);
    await eventually('both runs', () =>
      runAt(trained)?.checkpoints.length === 4 && runAt(live)?.training.plan !== undefined ? true : undefined,
    );
  });

  beforeEach(() => {
    said.length = 0;
    answer({
      notify: (_severity, message) => {
        said.push(message);
        return Promise.resolve(undefined);
      },
    });
  });

  afterEach(async () => {
    for (const back of undo.splice(0).reverse()) back();
    await call('twa.selectNone');
    twa.view.arrange({ order: 'newest', filter: '', pinned: new Set() });
    await call('workbench.action.closeAllEditors');
  });

  after(async () => {
    await Promise.all([trained, live].map((at) => rm(at, { recursive: true })));
  });

  it('say that they train, how fast and for how long still', () => {
    assert.match(row(live)?.description ?? '', /^training · 10 steps\/s · 0 checkpoints/);
    assert.match(row(live)?.tooltip ?? '', /1 min left|80 s left|7\d s left/);
    assert.equal(row(live)?.icon.color, 'charts.green');
  });

  it('tell once that a loss is lost, where the user wants to be told', async () => {
    const settings = vscode.workspace.getConfiguration('twa');
    await settings.update('notifyHealth', true, vscode.ConfigurationTarget.Workspace);
    try {
      const more = (value: string) => appendFile(log, `${new Date().toISOString()},210,${value}\n`);
      await more('nan');
      await eventually('the mark', () =>
        /not finite/.test(row(live)?.description ?? '') ? true : undefined,
      );
      await more('nan');
      await eventually('both points', () =>
        runAt(live)?.series[0]?.values.length === 22 ? true : undefined,
      );
      assert.equal(said.length, 1, said.join('\n'));
      assert.match(said[0] ?? '', /live: val_loss is not a number any more/);
    } finally {
      await settings.update('notifyHealth', undefined, vscode.ConfigurationTarget.Workspace);
      await write(20);
    }
  });

  it('are sorted, filtered and pinned, and what is asked for is shown all the same', async () => {
    // `live` trains; the copied run may count as training, too, but was begun later.
    assert.deepEqual(new Set(shown()), new Set(['live', 'trained']));
    answer({ pickOne: (options) => Promise.resolve(options.find(({ label }) => label === 'Name')?.value) });
    await call('twa.sort');
    assert.deepEqual(shown(), ['live', 'trained']);
    await call('twa.togglePin', vscode.Uri.file(trained));
    assert.deepEqual(shown(), ['trained', 'live']);
    assert.equal(row(trained)?.icon.id, 'pinned');
    await call('twa.togglePin', vscode.Uri.file(trained));
    assert.deepEqual(shown(), ['live', 'trained']);

    answer({ input: () => Promise.resolve('epoch-00[34]') });
    await call('twa.filter');
    assert.deepEqual(shown(), ['trained']);
    assert.match(twa.view.title, /epoch-00\[34\]/);
    const node = twa.view.tree.node(trained);
    assert.deepEqual(
      twa.view.tree
        .getChildren(node)
        .map((child) => child.kind === 'checkpoint' && path.basename(child.path)),
      ['epoch-003', 'epoch-004'],
    );
    await twa.view.reveal(path.join(trained, 'epoch-001'));
    assert.equal(twa.view.arrangement.filter, '', 'revealing what the filter hides takes it away');
    await call('twa.clearFilter');
    assert.deepEqual(shown(), ['live', 'trained']);
  });

  it('are selected by range and every k-th', async () => {
    answer({ input: ({ check }) => Promise.resolve(check('2-3') === undefined ? '2-3' : undefined) });
    await call('twa.selectRange', vscode.Uri.file(trained));
    assert.deepEqual(checked(), ['epoch-002', 'epoch-003']);
    answer({ input: () => Promise.resolve('3') });
    await call('twa.selectEvery', vscode.Uri.file(trained));
    assert.deepEqual(checked(), ['epoch-001', 'epoch-004']);
    assert.match(twa.view.title, /^2 checked, \d/);
  });

  it('have their results compared in one table', async () => {
    answer({ pickOne: (options) => Promise.resolve(options[0]?.value) });
    await call('twa.averageUniformly', vscode.Uri.file(trained));
    await eventually('the average', () => runAt(trained)?.averages[0]?.average);
    await call('twa.compareResults');
    assert.deepEqual(said, []);
    const document = await eventually('the document', () =>
      vscode.workspace.textDocuments.find(({ uri }) => uri.scheme === 'twa-results'),
    );
    const text = document.getText();
    assert.match(text, /## accuracy \(higher is better\)/);
    assert.match(
      text,
      /\| runs\/trained \| .* \| uniform \\\(SWA\\\) \| 4 \| 0\.\d+ \| \[0\.\d+, (0\.\d+|1)\] \|/,
    );
  });
});
