import assert from 'node:assert/strict';
import { cp, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { mergeCheckpoints } from '../../../src/core/checkpoints/merge.ts';
import { partialPathFor } from '../../../src/core/checkpoints/publish.ts';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { FIXTURES, temporaryDirectory, twaError } from './help.ts';
import { describeReal } from './real.ts';

describeReal({ folder: 'torch/deepspeed', format: 'deepspeed', modules: ['torch', 'numpy'] });

const directory = await temporaryDirectory();
const source = join(FIXTURES, 'torch/deepspeed/global_step30');
const MODEL = 'mp_rank_00_model_states.pt';
const OPTIMIZER = 'bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt';

test('what it holds beside weights is said; the optimizer can be left out', async () => {
  const header = await requireComplete(join(source, MODEL));
  assert.equal(header.path, source);
  assert.equal(header.step, 30);
  assert.deepEqual(header.optimizer, [OPTIMIZER]);
  assert.match(header.notes!.join('\n'), /float32 copies .* load_optimizer_states=False/);
  const older = await requireComplete(join(FIXTURES, 'torch/deepspeed/global_step10'));
  for (const [name, dropOptimizer, files] of [
    ['whole', false, [OPTIMIZER, MODEL]],
    ['dropped', true, [MODEL]],
  ] as const) {
    const output = join(directory, name);
    const headers = [older, header];
    await mergeCheckpoints({
      headers,
      coefficients: [0.5, 0.5],
      output,
      partial: partialPathFor(output),
      dropOptimizer,
    });
    assert.deepEqual((await readdir(output)).sort(), files);
  }
  const [whole, dropped] = await Promise.all(
    ['whole', 'dropped'].map((name) => readFile(join(directory, name, MODEL))),
  );
  assert.ok(whole!.equals(dropped!));
  assert.ok(
    (await readFile(join(directory, 'whole', OPTIMIZER))).equals(await readFile(join(source, OPTIMIZER))),
  );
});

test('ranks of model parallelism keep their weights apart', async () => {
  const path = join(directory, 'global_step7');
  await cp(source, path, { recursive: true });
  await cp(join(path, MODEL), join(path, 'mp_rank_01_model_states.pt'));
  const { tensors } = await requireComplete(path);
  assert.equal(tensors.length, 6);
  assert.equal(tensors[3]!.name, 'mp_rank_01/embed.weight');
});

test('stage 3 is refused with the way out', async () => {
  const path = join(directory, 'global_step8');
  await cp(source, path, { recursive: true });
  await rename(join(path, MODEL), join(path, 'zero_pp_rank_0_mp_rank_00_model_states.pt'));
  await assert.rejects(requireComplete(path), twaError('bad-checkpoint', /zero_to_fp32\.py/));
});
