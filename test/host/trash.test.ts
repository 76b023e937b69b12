import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rename, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import type { Dialogs, Option } from '../../src/extension/dialogs.ts';
import type { Internals } from '../../src/extension/extension.ts';
import { copyRun, eventually, internals } from './extension.ts';

describe('Moving to the trash', () => {
  let twa: Internals;
  let directory: string;
  let bin: string;
  let said: string[];
  let previews: (readonly Option<unknown>[])[];
  let confirmed: string[];
  const undo: (() => unknown)[] = [];

  const at = (name: string) => path.join(directory, name);
  const uris = (names: readonly string[]) => names.map((name) => vscode.Uri.file(at(name)));
  const call = (names: readonly string[]) =>
    vscode.commands.executeCommand('twa.moveToTrash', uris(names)[0], uris(names));
  const run = () => twa.runs.snapshot.runs.find((one) => one.directory === directory);
  const answer = (answers: Partial<Dialogs>) => undo.push(twa.answerWith(answers));
  /** As if training had ended an hour ago. */
  const age = async (folder: string): Promise<void> => {
    const anHourAgo = Date.now() / 1000 - 3600;
    for (const name of await readdir(folder, { recursive: true }))
      await utimes(path.join(folder, name), anHourAgo, anHourAgo);
  };

  before(async () => {
    twa = await internals();
  });

  beforeEach(async () => {
    directory = await copyRun('trashed');
    await age(directory);
    bin = await mkdtemp(path.join(tmpdir(), 'twa-bin-'));
    await eventually('the run', () => (run()?.checkpoints.length === 4 ? true : undefined));
    said = [];
    previews = [];
    confirmed = [];
    answer({
      notify: (_severity, message) => {
        said.push(message);
        return Promise.resolve(undefined);
      },
      pickOne: (options) => {
        previews.push(options);
        return Promise.resolve(options.find(({ value }) => value === 'move')?.value);
      },
      confirm: (message, detail) => {
        confirmed.push(`${message}\n${detail}`);
        return Promise.resolve(true);
      },
    });
    undo.push(
      twa.trashInto({
        missing: () => undefined,
        move: (from) => rename(from, path.join(bin, path.basename(from))),
      }),
    );
  });

  afterEach(async () => {
    for (const back of undo.splice(0).reverse()) back();
    await vscode.commands.executeCommand('twa.selectNone');
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    for (const folder of [directory, bin]) await rm(folder, { recursive: true });
    await eventually('the run to go', () => (run() === undefined ? true : undefined));
  });

  it('moves directories whole, after a list and a question, and says how to get them back', async () => {
    await call(['epoch-001', 'epoch-002']);
    assert.equal(previews.length, 1);
    const [first, ...lines] = previews[0]!;
    assert.match(first!.label, /Move 2 Checkpoints to the Trash/);
    assert.match(first!.detail ?? '', /free once the trash is emptied/);
    assert.deepEqual(
      lines.map(({ label }) => label),
      ['$(package) epoch-001', '$(package) epoch-002'],
    );
    assert.match(confirmed[0] ?? '', /epoch-001, epoch-002/);
    assert.deepEqual((await readdir(bin)).sort(), ['epoch-001', 'epoch-002']);
    assert.ok(existsSync(path.join(bin, 'epoch-001', 'weights.bin')));
    assert.match(said.join('\n'), /put back/);
    await eventually('two to be left', () => (run()?.checkpoints.length === 2 ? true : undefined));
  });

  it('does nothing where the question is not answered with yes, nor where nothing was chosen', async () => {
    answer({ confirm: () => Promise.resolve(false) });
    let shown = 0;
    answer({
      pickOne: (options) => Promise.resolve(shown++ === 0 ? options[0]?.value : undefined),
    });
    await call(['epoch-001']);
    assert.equal(shown, 2, 'the list is there again');
    await vscode.commands.executeCommand('twa.moveToTrash');
    assert.match(said.at(-1) ?? '', /Check or select/);
    await vscode.commands.executeCommand('twa.moveToTrash', vscode.Uri.file(directory));
    assert.match(said.at(-1) ?? '', /Check or select/, 'a whole run is never meant');
    assert.deepEqual(await readdir(bin), []);
    assert.ok(existsSync(at('epoch-001')));
  });

  it('keeps what explains an average and what was just written, and says so', async () => {
    const sources = ['epoch-001', 'epoch-002'];
    await vscode.commands.executeCommand('twa.averageUniformly', uris(sources)[0], uris(sources));
    await eventually('the average', () => (run()?.averages.length === 1 ? true : undefined));
    const now = Date.now() / 1000;
    await utimes(path.join(at('epoch-003'), 'weights.bin'), now, now);
    await call(['epoch-001', 'epoch-003']);
    assert.deepEqual(
      previews[0]?.map(({ label, description }) => [label, description]),
      [
        [
          '$(lock) epoch-001',
          'uniform-1 was made from it and could not be explained or made again without it.',
        ],
        ['$(lock) epoch-003', 'It was written less than a minute ago, and may not be finished.'],
      ],
    );
    assert.deepEqual(await readdir(bin), []);

    // The average may go; then what it was made from may, too.
    await age(directory);
    await vscode.commands.executeCommand('twa.moveToTrash', vscode.Uri.file(run()!.averages[0]!.path));
    assert.deepEqual(await readdir(bin), ['uniform-1']);
    await eventually('no average', () => (run()?.averages.length === 0 ? true : undefined));
    await call(['epoch-001']);
    assert.deepEqual((await readdir(bin)).sort(), ['epoch-001', 'uniform-1']);
  });

  it('proposes all but the best, and moves none of it by itself', async () => {
    await eventually('metrics', () =>
      run()?.checkpoints.every((entry) => entry.metrics['val/loss'] !== undefined) === true
        ? true
        : undefined,
    );
    answer({
      input: () => Promise.resolve('1'),
      pickOne: (options) => {
        previews.push(options);
        return Promise.resolve(options.find(({ label }) => label === 'val/loss')?.value);
      },
    });
    await vscode.commands.executeCommand('twa.trashAllButBest', vscode.Uri.file(directory));
    const best = [...run()!.checkpoints].sort((a, b) => a.metrics['val/loss']! - b.metrics['val/loss']!)[0]!;
    const going = previews[1]!.slice(1).map(({ label }) => label.replace('$(package) ', ''));
    assert.deepEqual(
      going,
      ['epoch-001', 'epoch-002', 'epoch-003', 'epoch-004'].filter((name) => name !== best.name),
    );
    assert.deepEqual(await readdir(bin), []);
  });

  it('says that a remote machine has no trash, and deletes nothing', async function () {
    if (vscode.env.remoteName === undefined) this.skip();
    undo.pop()?.();
    await call(['epoch-001']);
    assert.match(said.join('\n'), /no trash on a remote machine/);
    assert.deepEqual(previews, []);
    assert.ok(existsSync(at('epoch-001')));
    // And VS Code itself, asked all the same, refuses rather than deletes.
    const deleted = vscode.workspace.fs.delete(uris(['epoch-001'])[0]!, { recursive: true, useTrash: true });
    await assert.rejects(Promise.resolve(deleted), /trash/);
    assert.ok(existsSync(at('epoch-001')));
  });
});
