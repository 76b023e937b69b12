/** Standard output for results, standard error for everything else. */
import type { PassProgress } from '../core/averaging/types.ts';

export interface Terminal {
  /** Aborts on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** A line, or several, of the result. */
  readonly print: (text: string) => void;
  /** A line for people, never part of the result. */
  readonly note: (text: string) => void;
  /** A bar that redraws itself on a terminal; elsewhere one line per phase and per epoch. */
  readonly progress: (progress: PassProgress) => void;
  /** What the compute process says: warnings and errors are for people, the rest is for logs. */
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', text: string) => void;
}

const CLEAR_LINE = '\r\x1b[K';
const BAR = 20;

export function makeTerminal(
  stdout: NodeJS.WriteStream,
  stderr: NodeJS.WriteStream,
  signal: AbortSignal,
): Terminal {
  // A reader that has seen enough (`| head`) is no failure; any other error of a stream is.
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  const live = stderr.isTTY;
  let bar = false;
  let lastLine = '';
  const clearBar = (): void => {
    if (bar) stderr.write(CLEAR_LINE);
    bar = false;
  };
  const note = (text: string): void => {
    clearBar();
    stderr.write(`${text}\n`);
  };
  return {
    signal,
    note,
    print(text) {
      clearBar();
      stdout.write(`${text}\n`);
    },
    log(level, text) {
      if (level === 'warn' || level === 'error') note(text);
    },
    progress({ phase, fraction, message, coefficients }) {
      if (live) {
        const filled = Math.round(BAR * Math.min(1, Math.max(0, fraction)));
        const line = `${phase.padEnd(10)} [${'#'.repeat(filled)}${'-'.repeat(BAR - filled)}] ${message}`;
        stderr.write(CLEAR_LINE + line.slice(0, (stderr.columns || 80) - 1));
        bar = true;
        return;
      }
      const line = coefficients === undefined ? phase : `${phase}: ${message}`;
      if (line === lastLine || (coefficients === undefined && lastLine.startsWith(phase))) return;
      lastLine = line;
      stderr.write(`${line}\n`);
    },
  };
}
