/** Another program: started without a shell, read line by line, ended with everything it started. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { TwaError } from '../../core/errors.ts';

export interface ProgramOptions {
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly onLine: (line: string) => void;
}

/** The last lines are enough to explain a failure. */
const KEPT_LINES = 200;
/** After asking it to end. */
const GRACE_MS = 3000;

/** Resolves when it has ended, also after an abort. Throws TwaError `no-backend` when it cannot be started. */
export async function runProgram(
  command: readonly string[],
  { cwd, signal, onLine }: ProgramOptions,
): Promise<{ readonly code: number | null; readonly output: readonly string[] }> {
  const [file, ...args] = command;
  const windows = process.platform === 'win32';
  const output: string[] = [];
  return await new Promise((resolve, reject) => {
    // A group of its own, so that the compiler's and npm's own children end with them.
    const child = spawn(file!, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: !windows });
    const end = (how: NodeJS.Signals): void => {
      if (child.pid === undefined) return;
      try {
        if (windows) spawn('taskkill', ['/pid', String(child.pid), '/t', '/f']);
        else process.kill(-child.pid, how);
      } catch {
        // It is gone already.
      }
    };
    let killer: NodeJS.Timeout | undefined;
    const stop = (): void => {
      end('SIGTERM');
      killer = setTimeout(() => end('SIGKILL'), GRACE_MS);
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        output.push(line);
        if (output.length > KEPT_LINES) output.shift();
        onLine(line);
      });
    }
    const done = (): void => {
      clearTimeout(killer);
      signal.removeEventListener('abort', stop);
    };
    child.on('error', (error) => {
      done();
      reject(new TwaError('no-backend', `${file!} cannot be started: ${error.message}.`));
    });
    child.on('close', (code) => {
      done();
      resolve({ code, output });
    });
  });
}
