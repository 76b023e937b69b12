import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { directoryWith } from '../task/temporary.ts';
import { checkpoints, onlyDocument, twa } from './cli.ts';

const source = path.join(checkpoints, 'torch/torch-2.13/lightning-2.pt');

test('convert --json: the file, and exactly the promised fields', async (context) => {
  const directory = directoryWith(context, {});
  const output = path.join(directory, 'out.safetensors');
  const outcome = await twa(['convert', source, '--out', 'out.safetensors', '--json'], directory);
  assert.equal(outcome.code, 0, outcome.stderr);
  const document = onlyDocument(outcome);
  const fields = ['bytes', 'notes', 'output', 'outputSha256', 'sourceSha256', 'tensors'];
  assert.deepEqual(Object.keys(document).sort(), fields);
  assert.equal(document['output'], output);
  assert.equal(document['tensors'], 10);
  assert.equal(document['bytes'], readFileSync(output).length);
  const inspected = await twa(['inspect', output, '--json']);
  assert.match(inspected.stdout, /"name":"model\.conv\.weight","dtype":"F32","shape":\[3,2,3,3\]/);
  assert.match(inspected.stdout, /"step":200,"epoch":2/);
  assert.deepEqual(readdirSync(directory), ['out.safetensors']);
  const again = await twa(['convert', source, '--out', output]);
  assert.deepEqual([again.code, again.stdout], [1, '']);
  assert.match(again.stderr, /already exists/);
});

test('convert --dry-run: what would be written, and nothing is', async (context) => {
  const directory = directoryWith(context, {});
  const args = ['convert', source, '--out', 'out.safetensors', '--dtype', 'bf16', '--dry-run'];
  const { code, stdout } = await twa(args, directory);
  assert.equal(code, 0);
  assert.match(stdout, /out\.safetensors \(10 tensors, .*free\)/);
  assert.match(stdout, /Its weights are under "state_dict"\./);
  const document = onlyDocument(await twa([...args, '--json'], directory));
  assert.deepEqual(Object.keys(document).sort(), [
    'bytes',
    'dryRun',
    'freeBytes',
    'notes',
    'output',
    'tensors',
  ]);
  assert.match(JSON.stringify(document['tensors']), /"dtype":"BF16"/);
  assert.deepEqual(readdirSync(directory), []);
});
