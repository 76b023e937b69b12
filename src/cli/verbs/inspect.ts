import { expandPaths, inspectPath } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader, Inspection, TensorInfo } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import { JSON_NUMBERS, toJson } from '../json.ts';
import { bytes, shownPath, textTable } from '../table.ts';
import { defineVerb } from '../verb.ts';

export const inspect = defineVerb({
  name: 'inspect',
  summary: 'what is in checkpoints: tensors, step, epoch, metadata, and whether they are complete',
  usage: 'PATH... [--json]',
  description: `Reads the headers of checkpoints. PATH is a checkpoint (a file or a directory) or a directory of checkpoints.
An incomplete checkpoint (cut off, or still being written) is listed as such. The exit code is 1 when one
is damaged or not supported; the others are printed all the same.

JSON: {"checkpoints": [{"path", "format", "step", "epoch", "complete", "reason", "tensors": [{"name",
"dtype", "shape"}], "metadata"}]}. A tensor that shares another's elements has "aliasOf".
${JSON_NUMBERS}`,
  paths: { least: 1, most: Infinity },
  options: {},
  async run({ paths, json }, terminal) {
    const inspections: Inspection[] = [];
    for (const path of await expandPaths(paths, terminal.signal)) {
      inspections.push(await inspectPath(path, terminal.signal));
    }
    if (json) terminal.print(toJson({ checkpoints: inspections.map(toDocument) }));
    else terminal.print(describe(inspections));
    const unreadable = inspections.filter(({ state }) => state === 'unreadable');
    if (unreadable.length === 0) return;
    const reasons = unreadable.map((each) => (each.state === 'complete' ? '' : each.reason));
    throw new TwaError('bad-checkpoint', reasons[0]!, { details: reasons.slice(1) });
  },
});

function toDocument(inspection: Inspection): object {
  if (inspection.state !== 'complete') {
    const { path, format, reason } = inspection;
    return { path, format, step: null, epoch: null, complete: false, reason, tensors: [], metadata: {} };
  }
  const { path, format, step, epoch, tensors, metadata } = inspection.header;
  return { path, format, step, epoch, complete: true, reason: null, tensors, metadata };
}

function describe(inspections: readonly Inspection[]): string {
  const [only] = inspections;
  if (inspections.length === 1 && only?.state === 'complete') return describeOne(only.header);
  return textTable(
    [
      { title: 'checkpoint' },
      { title: 'format' },
      { title: 'step', align: 'right' },
      { title: 'epoch', align: 'right' },
      { title: 'tensors', align: 'right' },
      { title: 'elements', align: 'right' },
      { title: 'size', align: 'right' },
      { title: 'state' },
    ],
    inspections.map((inspection) => {
      if (inspection.state !== 'complete') {
        const { path, format, state, reason } = inspection;
        return [shownPath(path), format, '', '', '', '', '', `${state}: ${reason}`];
      }
      const { header } = inspection;
      return [
        shownPath(header.path),
        header.format,
        String(header.step ?? ''),
        String(header.epoch ?? ''),
        String(header.tensors.length),
        String(elements(header.tensors)),
        bytes(size(header)),
        'complete',
      ];
    }),
  );
}

function describeOne(header: CheckpointHeader): string {
  const facts = [
    `${shownPath(header.path)} (${header.format}, ${bytes(size(header))})`,
    [
      `${header.tensors.length} tensors, ${elements(header.tensors)} elements`,
      ...(header.step === undefined ? [] : [`step ${header.step}`]),
      ...(header.epoch === undefined ? [] : [`epoch ${header.epoch}`]),
    ].join(', '),
    ...Object.entries(header.metadata).map(([key, value]) => `${key}: ${shorten(value)}`),
  ];
  const tensors = textTable(
    [{ title: 'tensor' }, { title: 'dtype' }, { title: 'shape' }],
    header.tensors.map(({ name, dtype, shape, aliasOf }) => [
      name,
      dtype,
      `[${shape.join(', ')}]${aliasOf === undefined ? '' : ` (same as ${aliasOf})`}`,
    ]),
  );
  return `${facts.join('\n')}\n\n${tensors}`;
}

function elements(tensors: readonly TensorInfo[]): number {
  return tensors
    .filter(({ aliasOf }) => aliasOf === undefined)
    .reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0);
}

function size(header: CheckpointHeader): number {
  return header.files.reduce((sum, file) => sum + file.size, 0);
}

function shorten(value: string): string {
  const line = value.replaceAll(/\s+/g, ' ');
  return line.length > 80 ? `${line.slice(0, 80)}...` : line;
}
