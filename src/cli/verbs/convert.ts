import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { runJob } from '../../compute/client.ts';
import {
  planConversion,
  requirePlace,
  SAFETENSORS_EXTENSION,
  TARGET_DTYPES,
  type TargetDType,
} from '../../core/checkpoints/convert.ts';
import { partialPathFor } from '../../core/checkpoints/publish.ts';
import { requireComplete } from '../../core/checkpoints/registry.ts';
import { toJson } from '../json.ts';
import { choice, text, UsageError } from '../options.ts';
import { bytes, shownPath } from '../table.ts';
import { defineVerb } from '../verb.ts';

const DTYPES = TARGET_DTYPES.map((dtype) => dtype.toLowerCase() as Lowercase<TargetDType>);

export const convert = defineVerb({
  name: 'convert',
  summary: 'write the weights of a checkpoint of any format as one safetensors file',
  usage: 'PATH --out OUT.safetensors [options]',
  description: `Writes the weights of one checkpoint as a safetensors file: row-major, tied tensors in full, metadata as text.
Optimizer state and everything else stays behind. The source is never changed, and nothing is overwritten.

JSON: {"output", "tensors", "bytes", "notes", "sourceSha256", "outputSha256"}. With --dry-run: {"dryRun",
"output", "tensors": [{"name", "dtype", "shape"}], "bytes", "freeBytes", "notes"}.`,
  paths: { least: 1, most: 1 },
  options: {
    out: text('OUT', `the file to make, ending in ${SAFETENSORS_EXTENSION}; never over anything (required)`),
    dtype: choice(DTYPES, 'for all float tensors (default: as they are)'),
    'dry-run': { help: 'say what would be written, and stop' },
  },
  async run({ paths, values, json }, terminal) {
    if (values.out === undefined) throw new UsageError(`convert needs --out OUT${SAFETENSORS_EXTENSION}.`);
    const output = path.resolve(values.out);
    if (!output.endsWith(SAFETENSORS_EXTENSION)) {
      throw new UsageError(`--out must end in ${SAFETENSORS_EXTENSION}.`);
    }
    const header = await requireComplete(paths[0]!, terminal.signal);
    const dtype = TARGET_DTYPES.find((target) => target.toLowerCase() === values.dtype);
    const plan = planConversion(header, dtype);
    await requirePlace(output, plan.bytes);

    if (values['dry-run'] === true) {
      const { bavail, bsize } = await statfs(path.dirname(output));
      const { tensors, notes } = plan;
      const freeBytes = bavail * bsize;
      terminal.print(
        json
          ? toJson({ dryRun: true, output, tensors, bytes: plan.bytes, freeBytes, notes })
          : [
              'Nothing was written; a real run would write',
              `  ${shownPath(output)} (${tensors.length} tensors, ${bytes(plan.bytes)}, ${bytes(freeBytes)} free)`,
              ...notes,
            ].join('\n'),
      );
      return;
    }
    const partial = partialPathFor(output);
    const result = await runJob(
      'convert',
      { checkpoint: header.path, output, partial, ...(dtype === undefined ? {} : { dtype }) },
      { signal: terminal.signal, onProgress: terminal.progress, onLog: terminal.log },
    );
    terminal.print(
      json
        ? toJson(result)
        : [
            `Wrote ${shownPath(output)} (${result.tensors} tensors, ${bytes(result.bytes)}).`,
            ...result.notes,
          ].join('\n'),
    );
  },
});
