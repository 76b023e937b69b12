import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import type { Dialogs } from '../../src/extension/dialogs.ts';
import type { Internals } from '../../src/extension/extension.ts';
import { copyRun, copyTask, eventually, internals, workspace } from './extension.ts';

/** For a pass beside everything else that the machine does. */
const PASS_MS = 40_000;

describe('Keep Averaged', () => {
  let twa: Internals;
  let best: string;
  let directory: string;
  let restoreDialogs: () => void;
  const said: string[] = [];

  const run = () => twa.runs.index.run(directory);
  const row = () => twa.view.tree.row(twa.view.tree.node(directory)!);
  const points = () => run()?.averagedSeries[0]?.values.length ?? 0;
  const call = (command: string) => vscode.commands.executeCommand(command, vscode.Uri.file(directory));
  const settings = () => vscode.workspace.getConfiguration('twa');

  before(async () => {
    twa = await internals();
    await settings().update('live.every', 1, vscode.ConfigurationTarget.Workspace);
    // Finished by its plan; its first checkpoint is the only one, so that a run of four is no worse.
    best = await copyRun('best', ['metrics.csv', 'epoch-001']);
    await writeFile(path.join(best, 'args.json'), '{"epochs": 1}');
    directory = path.join(workspace, 'runs/now');
    await mkdir(directory, { recursive: true });
    await copyRun('now', ['metrics.csv', 'epoch-001', 'epoch-002']);
    await eventually('both runs', () =>
      run()?.checkpoints.length === 2 && twa.runs.index.run(best)?.checkpoints.length === 1
        ? true
        : undefined,
    );
  });

  beforeEach(() => {
    restoreDialogs = twa.answerWith({
      notify: (_severity, message) => {
        said.push(message);
        return Promise.resolve(undefined);
      },
    });
  });
  afterEach(() => restoreDialogs());

  after(async () => {
    await twa.live.keeper.stop(directory);
    await settings().update('live.every', undefined, vscode.ConfigurationTarget.Workspace);
    await Promise.all([best, directory].map((at) => rm(at, { recursive: true })));
  });

  it('offers to write a task file where there is none', async () => {
    if (existsSync(path.join(workspace, 'twa.json'))) await rm(path.join(workspace, 'twa.json'));
    let offered: readonly string[] = [];
    const pickOne: Dialogs['pickOne'] = (options) => {
      offered = options.map(({ label }) => label);
      return Promise.resolve(undefined);
    };
    const back = twa.answerWith({ pickOne });
    await call('twa.keepAveraged');
    back();
    assert.deepEqual(offered, ['$(new-file) Create Task File']);
    assert.equal(twa.live.keeper.kept.size, 0);
    await copyTask();
  });

  it('measures a run as its checkpoints come, in the tree and on the curves', async () => {
    await call('twa.keepAveraged');
    assert.match(row()?.description ?? '', /kept averaged/);
    await copyRun('now', ['epoch-003']);
    await eventually('the first pass', () => (points() === 1 ? true : undefined), PASS_MS);
    assert.match(row()?.description ?? '', /averaged live: accuracy (0\.\d+|1) after epoch 3/);
    await copyRun('now', ['epoch-004']);
    await eventually('the second pass', () => (points() === 2 ? true : undefined), PASS_MS);
    assert.match(row()?.description ?? '', /after epoch 4/);
    assert.deepEqual(
      run()?.averagedSeries.map(({ tag, steps, epochs }) => [tag, steps, epochs]),
      ['averaged/accuracy', 'averaged/loss'].map((tag) => [tag, [39, 52], [3, 4]]),
    );
    assert.deepEqual(readdirSync(path.join(directory, 'averages')), ['twa-live.jsonl'], 'no checkpoint');
    assert.equal(run()?.averages.length, 0);
  }).timeout(2 * PASS_MS);

  it('says once that the run can stop, and in the tree as long as it holds', async () => {
    const verdict = await eventually('the verdict', () => twa.live.keeper.outcome(directory)?.verdict);
    assert.equal(path.dirname(verdict.reference.path), best);
    assert.ok(verdict.line.examples >= 100);
    assert.equal(said.length, 1, said.join('\n'));
    assert.match(said[0] ?? '', /^runs\/now: stop now: TWA of epochs \d-4 is within noise of your best run/);
    assert.match(
      row()?.tooltip.replaceAll('\\', '') ?? '',
      /stop now: TWA of epochs \d-4 is within noise of your best run/,
    );
  });

  it('ends when it is told to', async () => {
    await call('twa.stopKeepingAveraged');
    assert.doesNotMatch(row()?.description ?? '', /averaged/);
    assert.equal(twa.live.keeper.kept.size, 0);
    assert.equal(said.length, 1);
  });
});
