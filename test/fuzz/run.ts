/** `npm run fuzz -- [--seed N] [--count N] [--from N] [--format ID]`: ends with status 1 when a case fails. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { fuzz } from './fuzz.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '20000' },
    from: { type: 'string', default: '0' },
    format: { type: 'string' },
  },
});
const [seed, count, from] = [values.seed, values.count, values.from].map(Number) as [number, number, number];
if (![seed, count, from].every((n) => Number.isSafeInteger(n) && n >= 0)) {
  console.error('--seed, --count and --from are whole numbers.');
  process.exit(2);
}

const directory = join(import.meta.dirname, '../../test-output/fuzz', `seed-${seed}`);
await mkdir(directory, { recursive: true });
console.log(`${count} mutations from number ${from} on, seed ${seed}`);
const started = performance.now();
const { results, failures, slowest, megabytes } = await fuzz({
  seed,
  from,
  count,
  directory,
  ...(values.format === undefined ? {} : { format: values.format }),
  onFailure: ({ index, why }) => {
    const format = values.format === undefined ? '' : ` --format ${values.format}`;
    console.log(`\nFAILED ${index}: ${why}`);
    console.log(`  files: ${join(directory, String(index))}`);
    console.log(`  again: npm run fuzz -- --seed ${seed} --from ${index} --count 1${format}`);
  },
  onProgress: (done) => {
    if (done % 1000 === 0) console.log(`  ${done} in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  },
});
for (const [result, times] of [...results].sort((a, b) => b[1] - a[1])) console.log(`  ${result}: ${times}`);
console.log(
  `  the slowest took ${slowest.toFixed(2)} s of processor time, memory rose to ${megabytes.toFixed(0)} MB`,
);
console.log(`${failures.length} failed`);
process.exitCode = failures.length > 0 ? 1 : 0;
