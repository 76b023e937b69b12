import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import type { Internals } from '../../src/extension/extension.ts';
import { requireComplete } from '../../src/core/checkpoints/registry.ts';
import { copyRun, internals } from './extension.ts';

describe('Converting to safetensors', () => {
  let twa: Internals;
  let run: string;
  before(async () => {
    twa = await internals();
    run = await copyRun('convert-run', ['epoch-001']);
  });
  after(() => rm(run, { recursive: true }));

  it('asks for a name beside the checkpoint, and never replaces what is there', async () => {
    const checkpoint = path.join(run, 'epoch-001');
    const output = path.join(run, 'converted.safetensors');
    let suggested = '';
    const said: string[] = [];
    const back = twa.answerWith({
      saveAs: (_title, suggestion) => {
        suggested = suggestion;
        return Promise.resolve(output);
      },
      notify: (_severity, message) => {
        said.push(message);
        return Promise.resolve(undefined);
      },
    });
    try {
      await vscode.commands.executeCommand('twa.convert', vscode.Uri.file(checkpoint));
      assert.equal(suggested, path.join(run, 'epoch-001.safetensors'));
      const [from, to] = [await requireComplete(checkpoint), await requireComplete(output)];
      assert.deepEqual(
        to.tensors.map(({ name }) => name).sort(),
        from.tensors.map(({ name }) => name).sort(),
      );
      assert.match(said.join('\n'), /^converted\.safetensors holds \d+ tensors/);
      const before = await readFile(output);
      await vscode.commands.executeCommand('twa.convert', checkpoint);
      assert.match(said.join('\n'), /already exists/);
      assert.ok(before.equals(await readFile(output)));
    } finally {
      back();
    }
  });
});
