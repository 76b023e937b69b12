/** From command-line arguments to an exit code. */
import packageJson from '../../package.json' with { type: 'json' };
import { TwaError } from '../core/errors.ts';
import { UsageError } from './options.ts';
import { makeTerminal, type Terminal } from './terminal.ts';
import type { Verb } from './verb.ts';
import { average } from './verbs/average.ts';
import { convert } from './verbs/convert.ts';
import { devices } from './verbs/devices.ts';
import { diff } from './verbs/diff.ts';
import { evaluate } from './verbs/evaluate.ts';
import { geometry } from './verbs/geometry.ts';
import { init } from './verbs/init.ts';
import { inspect } from './verbs/inspect.ts';
import { metrics } from './verbs/metrics.ts';
import { setupGpu } from './verbs/setup-gpu.ts';
import { watch } from './verbs/watch.ts';

const VERBS: readonly Verb[] = [
  inspect,
  diff,
  geometry,
  metrics,
  average,
  evaluate,
  watch,
  convert,
  devices,
  setupGpu,
  init,
];

const HELP = `Usage: twa VERB [arguments]

Averages the checkpoints of a training run into one better model.

Verbs:
${VERBS.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n')}

  twa VERB --help   what a verb takes and prints
  twa --version     the version

Exit code: 0 done, 1 failed (why: on standard error), 2 wrong usage, 130 cancelled.`;

export const EXIT = { done: 0, failed: 1, usage: 2, cancelled: 130 } as const;

/** Runs a command line; never throws. SIGINT and SIGTERM cancel it, a second one ends the process at once. */
export async function run(argv: readonly string[]): Promise<number> {
  const controller = new AbortController();
  const cancel = (): void => controller.abort();
  process.once('SIGINT', cancel).once('SIGTERM', cancel);
  const terminal = makeTerminal(process.stdout, process.stderr, controller.signal);
  try {
    await dispatch(argv, terminal);
    return EXIT.done;
  } catch (error) {
    if (controller.signal.aborted) {
      terminal.note('twa: Cancelled.');
      return EXIT.cancelled;
    }
    return explain(error, argv[0], terminal);
  } finally {
    process.off('SIGINT', cancel).off('SIGTERM', cancel);
  }
}

async function dispatch(argv: readonly string[], terminal: Terminal): Promise<void> {
  const [name, ...rest] = argv;
  if (name === undefined) throw new UsageError('Which verb? See twa --help.');
  if (name === '--help' || name === '-h' || name === '--version') {
    if (rest.length > 0) throw new UsageError(`"${rest[0]!}" is one argument too many.`);
    terminal.print(name === '--version' ? packageJson.version : HELP);
    return;
  }
  const verb = VERBS.find((each) => each.name === name);
  if (verb === undefined) {
    const kind = name.startsWith('-') ? 'option' : 'verb';
    throw new UsageError(
      `There is no ${kind} "${name}": use one of ${VERBS.map((each) => each.name).join(', ')}, or twa --help.`,
    );
  }
  await verb.run(rest, terminal);
}

function explain(error: unknown, verb: string | undefined, terminal: Terminal): number {
  if (error instanceof UsageError) {
    terminal.note(`twa: ${error.message}`);
    if (VERBS.some(({ name }) => name === verb)) terminal.note(`See: twa ${verb!} --help`);
    return EXIT.usage;
  }
  if (error instanceof TwaError) {
    terminal.note(`twa: ${error.message}`);
    for (const detail of error.details) terminal.note(`  ${detail}`);
    return EXIT.failed;
  }
  terminal.note(
    `twa: This is a defect of the program: ${error instanceof Error ? error.message : String(error)}`,
  );
  if (error instanceof Error && error.stack !== undefined) terminal.note(error.stack);
  return EXIT.failed;
}
