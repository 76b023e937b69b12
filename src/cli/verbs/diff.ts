import {
  changesByLayer,
  cosine,
  differencesBetween,
  type LayerChange,
  relativeChange,
  type TensorChange,
  type TensorDifference,
} from '../../core/checkpoints/changes.ts';
import { requireComplete } from '../../core/checkpoints/registry.ts';
import { compareTensors } from '../../core/checkpoints/statistics.ts';
import type { TensorInfo } from '../../core/checkpoints/types.ts';
import { JSON_NUMBERS, toJson } from '../json.ts';
import { figure, shownPath, textTable } from '../table.ts';
import { defineVerb } from '../verb.ts';

export const diff = defineVerb({
  name: 'diff',
  summary: 'how two checkpoints differ: relative change of every tensor and layer',
  usage: 'A B [--json]',
  description: `Compares two checkpoints tensor by tensor. Tensors that only one of them has, or that differ in shape or dtype,
come first; then every layer and its tensors, the largest relative change ||a - b|| / ||a|| first. Places
where a number is NaN or infinite are counted and left out. The formats may differ.

JSON: {"a", "b", "differences": [{"kind", "name", "a", "b"}], "layers": [{"layer", "relative", "largest",
"cosine", "notFinite", "tensors": [{"name", "relative", "largest", "cosine", "notFinite"}]}]}; "kind" is
"only-a", "only-b" or "differs", its "a" and "b" are {"dtype", "shape"} or null.
${JSON_NUMBERS}`,
  paths: { least: 2, most: 2 },
  options: {},
  async run({ paths: [pathA, pathB], json }, { signal, print, progress }) {
    const a = await requireComplete(pathA!, signal);
    const b = await requireComplete(pathB!, signal);
    const changes = await compareTensors(a, b, {
      signal,
      onProgress: (fraction, message) => progress({ phase: 'reading', fraction, message }),
    });
    const layers = changesByLayer(changes);
    const differences = differencesBetween(a.tensors, b.tensors);
    if (json) {
      print(
        toJson({
          a: a.path,
          b: b.path,
          differences: differences.map(differenceDocument),
          layers: layers.map((layer) => ({
            layer: layer.layer,
            ...changeDocument(layer),
            tensors: layer.tensors.map((tensor) => ({ name: tensor.name, ...changeDocument(tensor) })),
          })),
        }),
      );
      return;
    }
    print(`a: ${shownPath(a.path)} (${a.format})\nb: ${shownPath(b.path)} (${b.format})`);
    if (differences.length > 0) print(`\n${differences.map(sentence).join('\n')}`);
    if (layers.length > 0) print(`\n${table(layers)}`);
  },
});

function changeDocument(change: Omit<TensorChange, 'name'>): object {
  const { largest, notFinite } = change;
  return { relative: relativeChange(change), largest, cosine: cosine(change), notFinite };
}

function differenceDocument(difference: TensorDifference): object {
  const { kind, name } = difference;
  const side = ({ dtype, shape }: TensorInfo): object => ({ dtype, shape });
  switch (kind) {
    case 'only-a':
      return { kind, name, a: side(difference.tensor), b: null };
    case 'only-b':
      return { kind, name, a: null, b: side(difference.tensor) };
    case 'differs':
      return { kind, name, a: side(difference.a), b: side(difference.b) };
  }
}

const describe = ({ dtype, shape }: TensorInfo): string => `${dtype} [${shape.join(', ')}]`;

function sentence(difference: TensorDifference): string {
  switch (difference.kind) {
    case 'only-a':
    case 'only-b':
      return `only in ${difference.kind.slice(-1)}: ${difference.name} ${describe(difference.tensor)}`;
    case 'differs':
      return `differs: ${difference.name} is ${describe(difference.a)} in a, ${describe(difference.b)} in b`;
  }
}

function table(layers: readonly LayerChange[]): string {
  const row = (name: string, change: Omit<TensorChange, 'name'>): string[] => [
    name,
    figure(relativeChange(change)),
    figure(change.largest),
    figure(cosine(change)),
    change.notFinite === 0 ? '' : String(change.notFinite),
  ];
  return textTable(
    [
      { title: 'layer' },
      { title: 'relative', align: 'right' },
      { title: 'largest', align: 'right' },
      { title: 'cosine', align: 'right' },
      { title: 'not finite', align: 'right' },
    ],
    layers.flatMap((layer) => {
      const [only] = layer.tensors;
      if (layer.tensors.length === 1 && only !== undefined) return [row(only.name, only)];
      return [row(layer.layer, layer), ...layer.tensors.map((tensor) => row(`  ${tensor.name}`, tensor))];
    }),
  );
}
