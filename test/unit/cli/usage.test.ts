import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import manifest from '../../../package.json' with { type: 'json' };
import { UsageError } from '../../../src/cli/options.ts';
import type { Terminal } from '../../../src/cli/terminal.ts';
import type { Verb } from '../../../src/cli/verb.ts';
import { average } from '../../../src/cli/verbs/average.ts';
import { convert } from '../../../src/cli/verbs/convert.ts';
import { devices } from '../../../src/cli/verbs/devices.ts';
import { diff } from '../../../src/cli/verbs/diff.ts';
import { evaluate } from '../../../src/cli/verbs/evaluate.ts';
import { geometry } from '../../../src/cli/verbs/geometry.ts';
import { init } from '../../../src/cli/verbs/init.ts';
import { setupGpu } from '../../../src/cli/verbs/setup-gpu.ts';
import { inspect } from '../../../src/cli/verbs/inspect.ts';
import { metrics } from '../../../src/cli/verbs/metrics.ts';
import { watch } from '../../../src/cli/verbs/watch.ts';
import { checkpoints, twa } from './cli.ts';

const VERBS: readonly Verb[] = [
  inspect,
  diff,
  geometry,
  metrics,
  average,
  evaluate,
  convert,
  devices,
  setupGpu,
  init,
  watch,
];
const mixed = path.join(checkpoints, 'mixed');
const two = ['epoch-001', 'epoch-002'].map((name) => path.join(mixed, `${name}.safetensors`));
const out = ['--out', '/tmp/never.safetensors'];

/** A terminal that keeps what it is given. */
function recorder(): Terminal & { readonly printed: string[] } {
  const printed: string[] = [];
  return {
    printed,
    signal: new AbortController().signal,
    print: (line) => void printed.push(line),
    note: () => undefined,
    progress: () => undefined,
    log: () => undefined,
  };
}

test('--version and --help', async () => {
  assert.deepEqual(await twa(['--version']), { code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  const help = await twa(['--help']);
  assert.equal(help.code, 0);
  for (const { name, summary } of VERBS) assert.ok(help.stdout.includes(`  ${name.padEnd(10)} ${summary}\n`));
});

/** Arguments, and what standard error must say first. */
const WRONG: readonly (readonly [args: readonly string[], message: string])[] = [
  [[], 'Which verb? See twa --help.'],
  [
    ['frobnicate'],
    'There is no verb "frobnicate": use one of inspect, diff, geometry, metrics, average, evaluate, watch, convert, devices, setup-gpu, init, or twa --help.',
  ],
  [
    ['--frobnicate'],
    'There is no option "--frobnicate": use one of inspect, diff, geometry, metrics, average, evaluate, watch, convert, devices, setup-gpu, init, or twa --help.',
  ],
  [['--version', 'x'], '"x" is one argument too many.'],
  [['inspect'], 'inspect needs a path.'],
  [['inspect', ''], 'An empty argument is no path.'],
  [['inspect', mixed, '--frobnicate'], 'There is no option --frobnicate.'],
  [['inspect', mixed, '-x'], 'There is no option -x.'],
  [['inspect', mixed, '--__proto__', '-1'], 'There is no option --__proto__.'],
  [['inspect', mixed, '--json=yes'], '--json takes no value.'],
  [['watch', 'a', '--launcher', 'torchrun'], '--launcher starts a process for each GPU: add --gpu.'],
  [['metrics', 'a', 'b'], '"b" is one argument too many.'],
  [['devices', 'a'], '"a" is one argument too many.'],
  [['evaluate', mixed, '--split', 'train'], '--split must be one of report, stop, fit, not "train".'],
  [['evaluate', mixed, '--task'], '--task needs a value (FILE).'],
  [['evaluate', mixed, '--task='], '--task needs a value (FILE).'],
  [['convert', two[0]!], 'convert needs --out OUT.safetensors.'],
  [['convert', ...two, ...out], `"${two[1]!}" is one argument too many.`],
  [['convert', two[0]!, '--out', 'a.pt'], '--out must end in .safetensors.'],
  [
    ['convert', two[0]!, ...out, '--dtype', 'int8'],
    '--dtype must be one of f64, f32, f16, bf16, not "int8".',
  ],
  [['average', mixed], 'average needs --out OUT.'],
  [['average', mixed, ...out, ...out], '--out is given twice.'],
  [['average', mixed, '--out', '--json'], '--out needs a value (OUT).'],
  [
    ['average', mixed, ...out, '--method', 'swa'],
    '--method must be one of uniform, last-k, ema, best-k, prune, greedy, manual, search, twa, not "swa".',
  ],
  [['average', mixed, ...out, '--seed', '-1'], '--seed must be a whole number of at least 0, not "-1".'],
  [['average', mixed, ...out, '--seed', '1.5'], '--seed must be a whole number of at least 0, not "1.5".'],
  [
    ['average', mixed, ...out, '--seed', '99999999999999999999'],
    '--seed must be a whole number of at least 0, not "99999999999999999999".',
  ],
  [['average', mixed, ...out, '--epochs', '0'], '--epochs must be a whole number of at least 1, not "0".'],
  [
    ['average', mixed, ...out, '--batch-size', 'all'],
    '--batch-size must be a whole number of at least 1, not "all".',
  ],
  [['average', mixed, ...out, '--learning-rate', '0'], '--learning-rate must be a number above 0, not "0".'],
  [
    ['average', mixed, ...out, '--learning-rate', '1e999'],
    '--learning-rate must be a number above 0, not "1e999".',
  ],
  [
    ['average', mixed, ...out, '--weight-decay', '-0.1'],
    '--weight-decay must be a number of at least 0, not "-0.1".',
  ],
  [['average', mixed, ...out, '--momentum', '1'], '--momentum must be at least 0 and below 1, not "1".'],
  [
    ['average', mixed, ...out, '--patience', '0x2'],
    '--patience must be a whole number of at least 1, not "0x2".',
  ],
  [
    ['average', mixed, ...out, '--backend', 'cuda'],
    '--backend must be one of auto, tensorflow, webgpu, wasm, cpu, not "cuda".',
  ],
  [
    ['average', mixed, ...out, '--coefficients', '1,x'],
    '--coefficients must be numbers with commas between, such as 0.5,0.3,0.2, not "1,x".',
  ],
  [
    ['average', mixed, ...out, '--coefficients', '1,'],
    '--coefficients must be numbers with commas between, such as 0.5,0.3,0.2, not "1,".',
  ],
  [
    ['average', mixed, ...out, '--coefficients', 'NaN,1'],
    '--coefficients must be numbers with commas between, such as 0.5,0.3,0.2, not "NaN,1".',
  ],
  [['average', ...two, ...out, '--coefficients', '1,2,3'], '--coefficients has 3 numbers for 2 checkpoints.'],
  [['average', ...two, ...out, '--method', 'manual'], '--method manual needs --coefficients.'],
  [
    ['average', ...two, ...out, '--method', 'twa', '--coefficients', '1,2'],
    '--method twa fits its coefficients: leave out --coefficients, or add --start given.',
  ],
  [['average', ...two, ...out, '--method', 'uniform', '--epochs', '3'], '--epochs is for --method twa only.'],
  [
    ['average', ...two, ...out, '--momentum', '0.5'],
    '--momentum is for --rule iclr only: v4 has an optimiser without.',
  ],
  [['average', ...two, ...out, '--coefficients', '1,2', '--rule', 'v4'], '--rule is for --method twa only.'],
  [
    ['average', ...two, ...out, '--method', 'uniform', '--buffers', 'recalibrate'],
    '--buffers recalibrate needs data: name a task file with --task.',
  ],
  [
    ['average', two[0]!, two[0]!, ...out, '--method', 'uniform'],
    'An average needs at least two different checkpoints.',
  ],
  [
    ['average', ...two, '--out', '/tmp/never.pt', '--method', 'uniform'],
    '--out must end in .safetensors, as the checkpoints do: nothing would find it again.',
  ],
];

/** Those that show every way to exit code 2 run as processes; the rest would only be slow. */
const AS_PROCESS = new Set(['', 'frobnicate', '--frobnicate', '--version', 'inspect', 'metrics']);

for (const [args, message] of WRONG) {
  const [name = '', ...rest] = args;
  test(`wrong usage: twa ${args.map((arg) => path.basename(arg) || '""').join(' ')}`, async () => {
    const verb = VERBS.find((each) => each.name === name);
    if (verb === undefined || AS_PROCESS.has(name)) {
      const { code, stdout, stderr } = await twa([...args, ...(rest.length > 0 ? ['--json'] : [])]);
      assert.equal(stderr, `twa: ${message}\n${verb === undefined ? '' : `See: twa ${name} --help\n`}`);
      assert.deepEqual([code, stdout], [2, '']);
      return;
    }
    const terminal = recorder();
    await assert.rejects(verb.run(rest, terminal), (error) => {
      assert.ok(error instanceof UsageError);
      assert.equal(error.message, message);
      return true;
    });
    assert.deepEqual(terminal.printed, []);
  });
}

interface Listed {
  readonly name: string;
  readonly value: string | undefined;
}

/** The options that a verb's help lists. */
function listed({ help }: Verb): Listed[] {
  return [
    ...help
      .slice(help.indexOf('\nOptions:'))
      .matchAll(/^ {2}(?:-h, )?--?([a-z][a-z-]*)(?: (\S+))?(?= {2}|\n|$)/gm),
  ].map(([, name, value]) => ({ name: name!, value }));
}

function sample(value: string): string {
  if (value === 'N') return '1';
  if (value === 'K') return '2';
  if (value === 'X') return '0.5';
  if (value === 'A,B,...') return '0.5,0.5';
  return value.split('|')[0]!;
}

const ALL = [...new Map(VERBS.flatMap(listed).map((option) => [option.name, option])).values()];

for (const verb of VERBS) {
  test(`${verb.name}: the options of the help are exactly those that are parsed`, async () => {
    const known = new Set(listed(verb).map(({ name }) => name));
    assert.ok(known.has('json') && known.has('help'));
    for (const { name, value } of ALL) {
      const terminal = recorder();
      const help = name === 'help' ? [] : ['--help'];
      const done = verb.run(
        [`--${name}`, ...(value === undefined ? [] : [sample(value)]), ...help],
        terminal,
      );
      if (known.has(name)) {
        await done;
        assert.deepEqual(terminal.printed, [verb.help], `--${name}`);
      } else {
        await assert.rejects(done, UsageError, `--${name}`);
      }
    }
  });

  test(`${verb.name}: the help fits a terminal of 120 columns`, () => {
    const long = verb.help.split('\n').filter((line) => line.length > 120);
    assert.deepEqual(long, []);
  });
}

test('every option of every verb was seen', () => {
  // Guards the test above against a help text that its pattern no longer reads.
  assert.deepEqual(ALL.length, 45, ALL.map(({ name }) => name).join(' '));
});

test('methods by formula: with which coefficients', async () => {
  const flax = path.join(checkpoints, 'flax');
  const planned = async (...method: string[]): Promise<unknown> => {
    const terminal = recorder();
    await average.run(
      [flax, '--method', ...method, '--out', '/tmp/never.msgpack', '--dry-run', '--json'],
      terminal,
    );
    const plan = JSON.parse(terminal.printed.join('')) as {
      method: string;
      coefficients: readonly number[];
      checkpoints: readonly { step: number }[];
    };
    return [plan.method, plan.checkpoints.map(({ step }) => step), plan.coefficients];
  };
  const steps = [10, 20, 30];
  assert.deepEqual(await planned('uniform'), ['uniform', steps, [1 / 3, 1 / 3, 1 / 3]]);
  assert.deepEqual(await planned('last-k', '-k', '2'), ['last-k', steps, [0, 0.5, 0.5]]);
  assert.deepEqual(await planned('ema', '--decay', '0.5'), ['ema', steps, [0.25, 0.25, 0.5]]);
  assert.deepEqual(await planned('manual', '--coefficients', '1,2,3'), ['manual', steps, [1, 2, 3]]);
  for (const [wrong, message] of [
    [['uniform', '-k', '2'], /-k is for --method last-k and best-k only/],
    [['last-k', '-k', '4'], /k is 4, and there are 3 checkpoints/],
    [['ema', '--decay', '1'], /--decay must be at least 0 and below 1/],
    [['last-k', '-k', '2', '--coefficients', '1,1,1'], /last-k has coefficients of its own/],
    [['twa', '--start', 'given'], /--start given needs --coefficients/],
    [['twa', '--rule', 'lbfgs', '--learning-rate', '1'], /--learning-rate is for --rule v4 and iclr only/],
    [['twa', '--groups', 'a=b'], /--groups is for --granularity groups only/],
    [['greedy', '--evaluations', '9'], /--evaluations is for --method search only/],
    [['search', '--rule', 'v4'], /--rule is for --method twa only/],
    [['best-k', '--metric', 'val/loss'], /--metric needs -k/],
    [['prune'], /There is no twa.json/],
  ] as const) {
    await assert.rejects(planned(...wrong), message, wrong.join(' '));
  }
});
