import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm, truncate } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import type { AverageReport } from '../../src/core/averaging/types.ts';
import type { Dialogs, Severity, Step } from '../../src/extension/dialogs.ts';
import type { Internals } from '../../src/extension/extension.ts';
import { copyRun, copyTask, eventually, internals } from './extension.ts';
import { note } from './notes.ts';

const CHECKPOINTS = ['epoch-001', 'epoch-002', 'epoch-003', 'epoch-004'];
/** Chooses the first of every list, which is the default, and presses no button. */
const DEFAULTS: Partial<Dialogs> = { pickOne: (options) => Promise.resolve(options[0]?.value) };

describe('Averaging', () => {
  let twa: Internals;
  let directory: string;
  let restoreDialogs: () => void;
  let said: { severity: Severity; message: string }[];

  const uris = (names: readonly string[]) => names.map((name) => vscode.Uri.file(path.join(directory, name)));
  /** As the Explorer calls a command: what was clicked, and all that is selected. */
  const call = (command: string, names: readonly string[]) =>
    vscode.commands.executeCommand(command, uris(names)[0], uris(names));
  const run = () => twa.runs.snapshot.runs.find((run) => run.directory === directory);
  const averages = () => {
    const folder = path.join(directory, 'averages');
    return existsSync(folder) ? readdirSync(folder).sort() : [];
  };
  const digests = () =>
    CHECKPOINTS.map((name) => {
      const bytes = readFileSync(path.join(directory, name, 'weights.bin'));
      return createHash('sha256').update(bytes).digest('hex');
    });

  before(async () => {
    twa = await internals();
    await copyTask();
  });

  beforeEach(async () => {
    said = [];
    restoreDialogs = twa.answerWith({
      ...DEFAULTS,
      notify: (severity, message) => {
        said.push({ severity, message });
        return Promise.resolve(undefined);
      },
    });
    directory = await copyRun('averaged');
    await eventually('the run', () => (run()?.checkpoints.length === 4 ? true : undefined));
  });

  afterEach(async () => {
    restoreDialogs();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await rm(directory, { recursive: true });
    await eventually('the run to go', () => (run() === undefined ? true : undefined));
  });

  it('writes the plain mean beside the run and leaves the checkpoints as they are', async () => {
    const before = digests();
    await call('twa.averageUniformly', CHECKPOINTS);
    assert.deepEqual(said, []);
    const [average] = await eventually('the average in the model', () =>
      run()?.averages.length === 1 ? run()?.averages : undefined,
    );
    assert.equal(average?.average?.method, 'uniform');
    assert.deepEqual(
      average.average.sources.map((source) => path.basename(source)),
      CHECKPOINTS,
    );
    assert.equal(path.dirname(average.path), path.join(directory, 'averages'));
    assert.deepEqual(digests(), before);
  });

  it('runs TWA in a process of its own and shows the result', async () => {
    const start = performance.now();
    await call('twa.average', CHECKPOINTS);
    note(`TWA on 4 checkpoints of the digits network: ${((performance.now() - start) / 1000).toFixed(1)} s`);
    assert.deepEqual(said, []);
    const [average] = await eventually('the average in the model', () =>
      run()?.averages.length === 1 ? run()?.averages : undefined,
    );
    assert.equal(average?.average?.method, 'twa');
    const report = JSON.parse(readFileSync(average.average.reportPath, 'utf8')) as AverageReport;
    assert.equal(report.coefficients.length, 4);
    assert.ok(report.table.length >= 4, 'best single, last, uniform and TWA');
    assert.ok(report.lossCurve.length > 0);
    const tab = vscode.window.tabGroups.activeTabGroup.activeTab;
    assert.ok(tab?.input instanceof vscode.TabInputWebview);
    assert.match(tab.input.viewType, /twa\.result$/);
  });

  it('leaves nothing behind when it is cancelled', async () => {
    const done = call('twa.average', CHECKPOINTS);
    await eventually('the pass to train', () =>
      (twa.jobs.state.current?.fraction ?? 0) > 0.2 ? true : undefined,
    );
    await vscode.commands.executeCommand('twa.cancelAveraging');
    await done;
    assert.deepEqual(averages(), []);
    assert.deepEqual(said, [], 'who cancels need not be told that it went wrong');
    assert.equal(twa.jobs.state.current, undefined);
  });

  it('says so when the compute process is killed, and leaves nothing behind', async function () {
    if (process.platform !== 'linux') this.skip();
    const done = call('twa.average', CHECKPOINTS);
    await eventually('the pass to train', () =>
      (twa.jobs.state.current?.fraction ?? 0) > 0.2 ? true : undefined,
    );
    process.kill(computeProcess(), 'SIGKILL');
    await done;
    assert.equal(said.length, 1);
    assert.equal(said[0]?.severity, 'error');
    assert.match(said[0].message, /SIGKILL/);
    assert.deepEqual(averages(), []);
  });

  it('says what it is about to do, and goes back, changes and starts as it is told', async () => {
    const asked: { title: string; labels: readonly string[]; step?: Step }[] = [];
    const seen = (label: RegExp) => asked.findIndex(({ labels }) => labels.some((one) => label.test(one)));
    // To the summary, back to the methods, to the summary again; then another name, then start.
    const answers: (RegExp | 'back')[] = [/TWA, coeff/, 'back', /TWA, free/, /Output/, /Start/];
    const back = twa.answerWith({
      pickOne: (options, { title, step }) => {
        asked.push({
          title,
          labels: options.map(({ label }) => label),
          ...(step === undefined ? {} : { step }),
        });
        const answer = answers.shift();
        if (answer === 'back') step?.back?.();
        return Promise.resolve(
          answer instanceof RegExp ? options.find(({ label }) => answer.test(label))?.value : undefined,
        );
      },
      input: ({ check }) => Promise.resolve(check('mine') === undefined ? 'mine' : undefined),
    });
    await call('twa.average', CHECKPOINTS);
    back();
    assert.deepEqual(said, []);
    assert.deepEqual(
      asked.map(({ step }) => [step?.at, step?.of]),
      [1, 2, 1, 2, 2].map((at) => [at, 2]),
    );
    assert.equal(asked[0]?.title, 'Average 4 Checkpoints of runs/averaged');
    assert.notEqual(seen(/4 checkpoints fit together/), -1);
    assert.notEqual(seen(/Reads .*B, writes .*B/), -1);
    assert.deepEqual(averages(), ['mine']);
    const report = JSON.parse(
      readFileSync(path.join(directory, 'averages', 'mine', 'twa-report.json'), 'utf8'),
    ) as AverageReport;
    assert.equal(report.provenance.options?.rule, 'iclr');
  });

  it('runs again with everything that a result was made with, and says how long that took', async () => {
    await call('twa.averageUniformly', CHECKPOINTS.slice(1));
    const [first] = await eventually('the average', () =>
      run()?.averages.length === 1 ? run()?.averages : undefined,
    );
    let summary: readonly string[] = [];
    const back = twa.answerWith({
      pickOne: (options, { step }) => {
        summary = options.map(({ label, description }) => `${label} ${description ?? ''}`);
        assert.deepEqual([step?.at, step?.of, step?.back], [1, 1, undefined], 'the method is known');
        return Promise.resolve(options[0]?.value);
      },
    });
    await vscode.commands.executeCommand('twa.averageAgain', first?.average?.reportPath);
    back();
    assert.deepEqual(said, []);
    assert.ok(
      summary.some((line) => /Checkpoints: 3 of runs\/averaged/.test(line)),
      summary.join('\n'),
    );
    assert.ok(
      summary.some((line) => /about .*as uniform-1 took/.test(line)),
      summary.join('\n'),
    );
    assert.deepEqual(averages(), ['uniform-1', 'uniform-2']);
    const [one, two] = ['uniform-1', 'uniform-2'].map(
      (name) =>
        JSON.parse(
          readFileSync(path.join(directory, 'averages', name, 'twa-report.json'), 'utf8'),
        ) as AverageReport,
    );
    assert.equal(one?.provenance.outputSha256, two?.provenance.outputSha256, 'the same pass, the same bytes');
  });

  it('queues passes in the tree, where one that waits can be cancelled', async () => {
    const rows = () =>
      twa.view.tree
        .getChildren()
        .flatMap((node) => (node.kind === 'job' ? [{ node, row: twa.view.tree.row(node) }] : []));
    const first = call('twa.average', CHECKPOINTS);
    await eventually('the pass to train', () =>
      (twa.jobs.state.current?.fraction ?? 0) > 0.2 ? true : undefined,
    );
    const second = call('twa.averageUniformly', CHECKPOINTS);
    await eventually('two rows', () => (rows().length === 2 ? true : undefined));
    assert.match(rows()[0]?.row?.description ?? '', /^\d+ % · /);
    assert.equal(rows()[1]?.row?.description, 'waits, next in line');
    await vscode.commands.executeCommand('twa.cancelAveraging', rows()[1]?.node);
    await second;
    assert.equal(rows().length, 1, 'the other one goes on');
    await vscode.commands.executeCommand('twa.cancelAveraging', rows()[0]?.node);
    await first;
    assert.deepEqual(rows(), []);
    assert.deepEqual(averages(), []);
  });

  it('refuses a checkpoint that is cut off and names it', async () => {
    await truncate(path.join(directory, 'epoch-002', 'weights.bin'), 1000);
    await call('twa.averageUniformly', CHECKPOINTS);
    assert.equal(said.length, 1);
    assert.match(said[0]?.message ?? '', /epoch-002/);
    assert.deepEqual(averages(), []);
  });
});

/** The child of the extension host that runs compute.mjs. */
function computeProcess(): number {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8');
  const found = children
    .trim()
    .split(' ')
    .find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('compute.mjs'));
  assert.ok(found !== undefined, 'a compute process runs');
  return Number(found);
}
