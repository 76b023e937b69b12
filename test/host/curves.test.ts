import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import type { Internals } from '../../src/extension/extension.ts';
import { copyRun, eventually, internals } from './extension.ts';

describe('The learning curves', () => {
  let twa: Internals;
  let directory: string;
  let folder: string;

  before(async () => {
    twa = await internals();
    directory = await copyRun('exported');
    folder = await mkdtemp(path.join(tmpdir(), 'twa-export-'));
    await eventually('the run with its log', () =>
      (twa.runs.index.run(directory)?.series.length ?? 0) > 0 ? true : undefined,
    );
    await vscode.commands.executeCommand('twa.showCurves', vscode.Uri.file(directory));
  });

  after(async () => {
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await Promise.all([directory, folder].map((at) => rm(at, { recursive: true })));
  });

  /** By the command, through the page, to the file. */
  const exported = async (format: string): Promise<string> => {
    const file = path.join(folder, `curves.${format}`);
    const suggested: string[] = [];
    const undo = twa.answerWith({
      pickOne: (options) =>
        Promise.resolve(options.find(({ label }) => label === format.toUpperCase())?.value),
      saveFile: ({ suggestion }) => {
        suggested.push(path.basename(suggestion));
        return Promise.resolve(file);
      },
      notify: () => Promise.resolve(undefined),
    });
    try {
      // The page is there when it answers: until then it is asked again.
      const end = Date.now() + 20_000;
      while (!existsSync(file) || statSync(file).size === 0) {
        assert.ok(Date.now() < end, `no ${format}`);
        await vscode.commands.executeCommand('twa.exportCurves');
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      assert.equal(suggested[0], `runs-exported-curves.${format}`);
      return file;
    } finally {
      undo();
    }
  };

  it('are exported with every point', async () => {
    const text = readFileSync(await exported('csv'), 'utf8');
    const series = twa.runs.index.run(directory)?.series ?? [];
    const points = series.reduce((sum, { values }) => sum + values.length, 0);
    assert.ok(points > 0);
    assert.equal(text.trimEnd().split('\n').length, 1 + points);
    const [first] = series;
    assert.ok(text.includes(`runs/exported,${first?.tag},${first?.steps[0]},`));
  });

  it('are exported as a picture', async () => {
    const svg = readFileSync(await exported('svg'), 'utf8');
    assert.match(svg, /^<svg /);
    assert.match(svg, /val\/loss/);
    const png = readFileSync(await exported('png'));
    assert.equal(png.subarray(1, 4).toString(), 'PNG');
  });
});
