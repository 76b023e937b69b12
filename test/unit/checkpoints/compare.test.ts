import assert from 'node:assert/strict';
import { test } from 'node:test';

import { requireSameArchitecture } from '../../../src/core/checkpoints/compare.ts';
import type { TensorInfo } from '../../../src/core/checkpoints/types.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { header, twaError } from './help.ts';

const w: TensorInfo = { name: 'w', dtype: 'F32', shape: [2, 3] };
const b: TensorInfo = { name: 'b', dtype: 'F32', shape: [3] };

test('the same tensors in another order are the same architecture', () => {
  requireSameArchitecture([header('/1', { tensors: [w, b] }), header('/2', { tensors: [b, w] })]);
  requireSameArchitecture([header('/1', { tensors: [w] })]);
});

test('every difference is listed, for every checkpoint', () => {
  const headers = [
    header('/r/1.safetensors', {
      tensors: [
        { ...w, shape: [3, 2] },
        { ...b, dtype: 'F16' },
      ],
    }),
    header('/r/2.safetensors', { tensors: [w, { ...b, name: 'c' }, { ...b, name: 'd', aliasOf: 'c' }] }),
    header('/r/3', { format: 'tfjs-layers', tensors: [w, b] }),
    header('/r/4.safetensors', { tensors: [w, b] }),
  ];
  assert.throws(
    () => requireSameArchitecture(headers),
    (error: unknown) => {
      assert.ok(error instanceof TwaError);
      assert.equal(error.code, 'mismatch');
      assert.match(error.message, /1\.safetensors and 2 more .* 4\.safetensors: 6 differences/);
      assert.deepEqual(error.details, [
        '1.safetensors: w is F32 [3, 2], not F32 [2, 3].',
        '1.safetensors: b is F16 [3], not F32 [3].',
        '2.safetensors: it has a tensor c F32 [3] that 4.safetensors has not.',
        '2.safetensors: it has a tensor d F32 [3] tied to c that 4.safetensors has not.',
        '2.safetensors: it has no tensor b F32 [3].',
        '3: its format is tfjs-layers, not safetensors.',
      ]);
      return true;
    },
  );
});

test('checkpoints of one name are told apart by their directories', () => {
  const headers = [
    header('/r/checkpoint-1/model.safetensors', { tensors: [w] }),
    header('/r/checkpoint-2/model.safetensors', { tensors: [] }),
  ];
  assert.throws(
    () => requireSameArchitecture(headers),
    twaError('mismatch', /checkpoint-1.model\.safetensors/),
  );
});

test('no checkpoint at all is wrong usage', () => {
  assert.throws(() => requireSameArchitecture([]), twaError('usage'));
});
