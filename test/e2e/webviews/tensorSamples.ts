/** A made-up language model of any depth, to look at and to test with. Nothing here is a result. */
import type { TensorChange, TensorStatistics } from '../../../src/core/checkpoints/changes.ts';
import type { TensorInfo } from '../../../src/core/checkpoints/types.ts';
import type { ShownCheckpoint, ToTensors } from '../../../webview/tensors/protocol.ts';

const WIDTH = 768;

/** Ten tensors per block and four around them. */
export function sampleTensors(blocks: number): readonly TensorInfo[] {
  const tensor = (name: string, ...shape: number[]): TensorInfo => ({ name, dtype: 'BF16', shape });
  return [
    tensor('embed.weight', 50257, WIDTH),
    ...Array.from({ length: blocks }, (_, block) => [
      ...['q', 'k', 'v', 'out'].map((part) => tensor(`blocks.${block}.attn.${part}.weight`, WIDTH, WIDTH)),
      tensor(`blocks.${block}.mlp.up.weight`, 4 * WIDTH, WIDTH),
      tensor(`blocks.${block}.mlp.up.bias`, 4 * WIDTH),
      tensor(`blocks.${block}.mlp.down.weight`, WIDTH, 4 * WIDTH),
      tensor(`blocks.${block}.mlp.down.bias`, WIDTH),
      { ...tensor(`blocks.${block}.norm.weight`, WIDTH), dtype: 'F32' as const },
      { ...tensor(`blocks.${block}.norm.bias`, WIDTH), dtype: 'F32' as const },
    ]).flat(),
    { name: 'position_ids', dtype: 'I64', shape: [1, 1024] },
    { name: 'temperature', dtype: 'F32', shape: [] },
    { ...tensor('head.weight', 50257, WIDTH), aliasOf: 'embed.weight' },
  ];
}

export function sampleCheckpoint(blocks = 12, name = 'model.safetensors'): ShownCheckpoint {
  return {
    path: `/data/runs/seed-1/${name}`,
    name,
    format: 'safetensors',
    bytes: 247_511_432,
    step: 1200,
    epoch: 3,
    tensors: sampleTensors(blocks),
    metadata: {
      format: 'pt',
      step: '1200',
      config: '{"hidden_size": 768, "num_layers": 12, "activation": "gelu", "tie_embeddings": true}',
    },
    notes: [],
  };
}

/** Of the first block, and of one tensor that diverged. */
export function sampleStatistics(): readonly TensorStatistics[] {
  return sampleTensors(1).map(({ name }, at) => ({
    ...{
      name,
      min: -0.1234 * (at + 1),
      max: 0.0987 * (at + 2),
      mean: 1.2e-5 * (at - 4),
      std: 0.0203 + at / 500,
    },
    ...{ nan: at === 3 ? 12 : 0, infinite: 0 },
  }));
}

export function sampleComparison(blocks = 12, known = true): Extract<ToTensors, { kind: 'comparison' }> {
  const a = { ...sampleCheckpoint(blocks, 'step-1100.safetensors'), step: 1100 };
  const b = sampleCheckpoint(blocks, 'step-1200.safetensors');
  const changed = b.tensors
    .filter(({ name }) => name !== 'position_ids')
    .map((tensor) => (tensor.name === 'embed.weight' ? { ...tensor, shape: [50304, WIDTH] } : tensor));
  const added: TensorInfo = { name: 'blocks.0.attn.scale', dtype: 'F32', shape: [12] };
  const changes = a.tensors
    .filter(({ name }) => name !== 'position_ids' && name !== 'embed.weight')
    .map(({ name }, at): TensorChange => {
      const normA = 20 + (at % 7);
      const distance = name === 'temperature' ? 0 : normA * (0.002 + 0.05 * Math.abs(Math.sin(at)) ** 3);
      return {
        ...{ name, normA, normB: normA, distance, dot: normA * normA - (distance * distance) / 2 },
        ...{ largest: distance / 40, notFinite: at === 20 ? 3 : 0 },
      };
    });
  return {
    kind: 'comparison',
    a,
    b: { ...b, epoch: 4, tensors: [...changed, added], metadata: { ...b.metadata, step: '1200' } },
    ...(known ? { changes } : {}),
  };
}
