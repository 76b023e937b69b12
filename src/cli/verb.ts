/** One verb of the command: declared as data, parsed strictly, explained by its own `--help`. */
import { parseArgs } from 'node:util';
import { type Option, type Options, UsageError, type ValueOption, type ValuesOf } from './options.ts';
import type { Terminal } from './terminal.ts';

interface VerbSpec<O extends Options> {
  readonly name: string;
  /** One line, for the list of verbs. */
  readonly summary: string;
  /** After `twa NAME`: "PATH... --out OUT [options]". */
  readonly usage: string;
  /** What it does and what it prints; lines of at most 100 characters. */
  readonly description: string;
  /** How many positional arguments. */
  readonly paths: { readonly least: number; readonly most: number };
  readonly options: O;
  run(request: Request<O>, terminal: Terminal): Promise<void>;
}

export interface Request<O extends Options> {
  readonly paths: readonly string[];
  readonly values: ValuesOf<O>;
  /** Print one JSON document instead of text for people. */
  readonly json: boolean;
}

export interface Verb {
  readonly name: string;
  readonly summary: string;
  readonly help: string;
  /** Throws UsageError before anything else happens, when the arguments are wrong. */
  run(argv: readonly string[], terminal: Terminal): Promise<void>;
}

const COMMON = {
  json: { help: 'print exactly one JSON document on standard output' },
  help: { help: 'show this text' },
} as const satisfies Options;

export function defineVerb<const O extends Options>(spec: VerbSpec<O>): Verb {
  const options: Options = { ...spec.options, ...COMMON };
  const help = helpText(spec, options);
  return {
    name: spec.name,
    summary: spec.summary,
    help,
    async run(argv, terminal) {
      const { values, paths } = parseArguments(argv, options);
      if (values['help'] === true) {
        terminal.print(help);
        return;
      }
      if (paths.length < spec.paths.least) throw new UsageError(`${spec.name} needs a path.`);
      if (paths.length > spec.paths.most) {
        throw new UsageError(`"${paths[spec.paths.most]!}" is one argument too many.`);
      }
      // `parseArguments` ran each option's own parser, whose type ValuesOf is read off.
      await spec.run({ paths, values: values as ValuesOf<O>, json: values['json'] === true }, terminal);
    },
  };
}

interface Parsed {
  readonly values: Readonly<Record<string, unknown>>;
  readonly paths: readonly string[];
}

function parseArguments(argv: readonly string[], options: Options): Parsed {
  const { tokens, positionals } = tokenize(joinNegativeNumbers(argv, options), options);
  const values: Record<string, unknown> = {};
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    if (Object.hasOwn(values, token.name)) throw new UsageError(`${token.rawName} is given twice.`);
    const option = options[token.name]!;
    if (!takesValue(option)) {
      values[token.name] = true;
      continue;
    }
    const given = token.value ?? '';
    if (given === '') throw new UsageError(needsValue(token.rawName, option));
    try {
      values[token.name] = option.parse(given);
    } catch (error) {
      throw new UsageError(`${token.rawName} must be ${(error as Error).message}, not "${given}".`);
    }
  }
  if (positionals.includes('')) throw new UsageError('An empty argument is no path.');
  return { values, paths: positionals };
}

function tokenize(argv: readonly string[], options: Options) {
  const config = Object.fromEntries(
    Object.entries(options).map(([name, option]) => [
      name,
      {
        type: takesValue(option) ? ('string' as const) : ('boolean' as const),
        // `-k` is an option whose whole name is one letter.
        ...(name === 'help' ? { short: 'h' } : name.length === 1 ? { short: name } : {}),
      },
    ]),
  );
  try {
    return parseArgs({ args: [...argv], options: config, allowPositionals: true, tokens: true });
  } catch (error) {
    throw new UsageError(sentenceOf(error as NodeJS.ErrnoException, options));
  }
}

/** Node's own messages differ between its versions; their codes and the quoted option in front do not. */
function sentenceOf({ code, message }: NodeJS.ErrnoException, options: Options): string {
  const [, name] = /'(?:-\w, )?(-[^\s']*)/.exec(message) ?? [];
  const option = name === undefined ? undefined : optionOf(name, options);
  if (name === undefined || code?.startsWith('ERR_PARSE_ARGS_') !== true) return message;
  if (option === undefined) return `There is no option ${name}.`;
  return takesValue(option) ? needsValue(name, option) : `${name} takes no value.`;
}

function needsValue(name: string, option: ValueOption<unknown>): string {
  return `${name} needs a value (${option.value}).`;
}

/** `--coefficients -0.2,1.2`: a number that begins with a minus is a value, though `parseArgs` sees an option. */
function joinNegativeNumbers(argv: readonly string[], options: Options): string[] {
  const joined: string[] = [];
  for (const [at, argument] of argv.entries()) {
    if (argument === '--') return [...joined, ...argv.slice(at)];
    const before = joined.at(-1);
    const option = before === undefined ? undefined : optionOf(before, options);
    const isValue = option !== undefined && takesValue(option) && /^-[\d.]/.test(argument);
    if (isValue) joined[joined.length - 1] = `${before!}=${argument}`;
    else joined.push(argument);
  }
  return joined;
}

/** By its name with dashes. */
function optionOf(name: string, options: Options): Option | undefined {
  return name.startsWith('--') && Object.hasOwn(options, name.slice(2)) ? options[name.slice(2)] : undefined;
}

function takesValue(option: Option): option is ValueOption<unknown> {
  return 'parse' in option;
}

function helpText<O extends Options>(spec: VerbSpec<O>, options: Options): string {
  const rows = Object.entries(options).map(([name, option]) => ({
    left: `${name === 'help' ? '-h, ' : ''}${name.length === 1 ? '-' : '--'}${name}${takesValue(option) ? ` ${option.value}` : ''}`,
    help: option.help,
  }));
  const width = Math.min(28, Math.max(...rows.map(({ left }) => left.length)));
  const lines = rows.flatMap(({ left, help }) => {
    const [first, ...rest] = help.split('\n');
    const indent = ' '.repeat(width + 4);
    const beside = left.length <= width;
    return [
      beside ? `  ${left.padEnd(width)}  ${first!}` : `  ${left}\n${indent}${first!}`,
      ...rest.map((line) => `${indent}${line}`),
    ];
  });
  return `Usage: twa ${spec.name} ${spec.usage}\n\n${spec.description}\n\nOptions:\n${lines.join('\n')}`;
}
