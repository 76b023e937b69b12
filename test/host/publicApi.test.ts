/** The API for other extensions, used by another extension: examples/api-extension, loaded beside ours. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import type { AverageResult, TwaApi } from '../../api/twa.d.ts';
import type { AverageReport } from '../../src/core/averaging/types.ts';
import type { Internals } from '../../src/extension/extension.ts';
import { eventually, extension, internals, workspace } from './extension.ts';

const FEATURES = 8;
const CLASSES = 3;

describe('The API for other extensions', () => {
  let twa: Internals;
  let api: TwaApi;
  let example: vscode.Extension<unknown>;
  const project = path.join(workspace, 'api');
  const directory = path.join(project, 'runs/softmax');
  const run = () => twa.runs.snapshot.runs.find((one) => one.directory === directory);
  const modules = path.join(workspace, 'modules');
  const moduleOf = async (name: string, text: string): Promise<string> => {
    await mkdir(modules, { recursive: true });
    await writeFile(path.join(modules, name), text);
    return path.join(modules, name);
  };

  before(async () => {
    twa = await internals();
    api = extension.exports.getApi(1);
    const found = vscode.extensions.getExtension<unknown>('twa-example.softmax');
    assert.ok(found !== undefined, 'the example is loaded');
    example = found;
    const train = path.join(example.extensionPath, 'train.mjs');
    execFileSync(process.execPath, [train, project], { env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' } });
  });
  after(async () => {
    await rm(project, { recursive: true, force: true, maxRetries: 5 });
    await rm(modules, { recursive: true, force: true });
  });

  it('shows checkpoints and metrics that only the other extension can read', async () => {
    await twa.runs.refresh();
    assert.equal(run(), undefined, 'nobody knows the format yet');
    await example.activate();
    const found = await eventually('the run', () =>
      run()?.checkpoints.length === 12 && run()?.checkpoints.every(({ state }) => state === 'complete')
        ? run()
        : undefined,
    );
    const third = found.checkpoints.find(({ epoch }) => epoch === 3);
    assert.equal(third?.name, 'epoch-03.weights');
    assert.equal(third.metrics['val/accuracy'], 0.7267, 'as softmax.log says');
  });

  it('trains coefficients by its engine, and writes the average in its format', async () => {
    const result = await vscode.commands.executeCommand<AverageResult>(
      'softmax.average',
      vscode.Uri.file(directory),
    );
    assert.equal(path.dirname(result.output), path.join(directory, 'averages'));
    const report = JSON.parse(readFileSync(result.report, 'utf8')) as AverageReport;
    assert.equal(report.provenance.backend, 'plain JavaScript (twa-example.softmax)');
    const rows = new Map(report.table.map((row) => [row.id, row]));
    const [twaRow, uniform, last] = [rows.get('twa'), rows.get('uniform'), rows.get('last')];
    assert.ok(twaRow !== undefined && uniform !== undefined && last !== undefined);
    assert.ok(uniform.loss < last.loss, 'SGD with steps this large is worth averaging');
    assert.ok(twaRow.loss < last.loss);
    // The file itself, by nothing but this test: a header line, and the mix of the sources' numbers.
    const sources = report.provenance.sources.map(({ path: file }) => numbersOf(file));
    const merged = numbersOf(result.output);
    assert.equal(merged.length, CLASSES * FEATURES + CLASSES);
    for (const [j, value] of merged.entries()) {
      const expected = sources.reduce((sum, source, i) => sum + report.coefficients[i]! * source[j]!, 0);
      // Rounded once to float32: half a unit in the last place, of numbers below 8.
      assert.ok(Math.abs(value - expected) <= 2 ** -21, `${j}: ${value} for ${expected}`);
    }
    assert.ok(Math.abs(accuracyOf(merged) - twaRow.metric) < 1e-9, 'the accuracy in the report is true');
    await eventually('the average in the view', () => run()?.averages[0]);
  });

  it('cancels an average and leaves nothing behind', async () => {
    const controller = new AbortController();
    const averages = path.join(directory, 'cancelled');
    const request = { checkpoints: [directory], directory: averages };
    const working = api.average(request, controller.signal);
    controller.abort();
    await assert.rejects(working, /Cancelled/);
    assert.equal(existsSync(averages), false);
  });

  it('says what is wrong with a request', async () => {
    const ask = (request: unknown) => api.average(request as Parameters<TwaApi['average']>[0]);
    await assert.rejects(ask(undefined), /the document must be an object/);
    await assert.rejects(
      ask({ checkpoints: ['epoch-01.weights'] }),
      /checkpoints\[0\] must be an absolute path/,
    );
    await assert.rejects(ask({ checkpoints: [], method: 'mean' }), /method must be one of uniform/);
    await assert.rejects(ask({ checkpoints: [directory], method: 'twa' }), /needs a task/);
    assert.throws(() => extension.exports.getApi(2 as 1), /There is no version 2/);
  });

  it('refuses registrations that it cannot keep', async () => {
    const format = (text: string) => `export const format = ${text};`;
    const good = `{ label: 'x', extension: '.xyz', read: () => ({ tensors: [] }) }`;
    await assert.rejects(api.registerCheckpointFormat({ id: 'x', module: '/x.mjs' }), /publisher\.name/);
    await assert.rejects(api.registerCheckpointFormat({ id: 'a.x', module: 'x.mjs' }), /absolute path/);
    await assert.rejects(
      api.registerCheckpointFormat({ id: 'a.x', module: path.join(workspace, 'none.mjs') }),
      /there is no module/,
    );
    await assert.rejects(
      api.registerCheckpointFormat({ id: 'a.x', module: await moduleOf('broken.mjs', 'export {') }),
      /a\.x: .*broken\.mjs cannot be loaded/,
    );
    await assert.rejects(
      api.registerCheckpointFormat({
        id: 'a.x',
        module: await moduleOf('taken.mjs', format(good.replace('.xyz', '.safetensors'))),
      }),
      /model\.safetensors is read already, as safetensors/,
    );
    const module = await moduleOf('good.mjs', format(good));
    const first = await api.registerCheckpointFormat({ id: 'a.x', module });
    await assert.rejects(api.registerCheckpointFormat({ id: 'a.x', module }), /registered already/);
    first.dispose();
    (await api.registerCheckpointFormat({ id: 'a.x', module })).dispose();
  });

  it('forgets what is disposed of', async () => {
    const name = 'model.gone';
    const folder = path.join(workspace, 'runs/gone');
    await mkdir(folder, { recursive: true });
    try {
      for (const epoch of [1, 2]) {
        const from = path.join(directory, `epoch-0${epoch}.weights`);
        await cp(from, path.join(folder, name.replace('model', `epoch-${epoch}`)));
      }
      const text = readFileSync(path.join(example.extensionPath, 'format.mjs'), 'utf8');
      const module = await moduleOf('gone.mjs', text.replace("'.weights'", "'.gone'"));
      const registered = await api.registerCheckpointFormat({ id: 'a.gone', module });
      const there = () => twa.runs.snapshot.runs.find((one) => one.directory === folder);
      await eventually('the run', () => (there()?.checkpoints.length === 2 ? true : undefined));
      registered.dispose();
      await eventually('the run to go', () => (there() === undefined ? true : undefined));
      await assert.rejects(api.average({ checkpoints: [folder] }), /holds no checkpoint/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  /** The float32 numbers after the header's line. */
  function numbersOf(file: string): Float32Array {
    const bytes = readFileSync(file);
    return new Float32Array(new Uint8Array(bytes.subarray(bytes.indexOf(10) + 1)).buffer);
  }

  /** On the test split, which the report is about. */
  function accuracyOf(weights: Float32Array): number {
    const lines = readFileSync(path.join(project, 'points.csv'), 'utf8').split('\n');
    const right = lines
      .filter((line) => line.startsWith('test,'))
      .map((line) => {
        const [label, ...x] = line.split(',').slice(1).map(Number);
        const scores = Array.from({ length: CLASSES }, (_, k) =>
          x.reduce(
            (sum, value, j) => sum + weights[k * FEATURES + j]! * value,
            weights[CLASSES * FEATURES + k]!,
          ),
        );
        return scores.indexOf(Math.max(...scores)) === label;
      });
    return right.filter(Boolean).length / right.length;
  }
});
