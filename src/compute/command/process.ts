/** Running a user's program: its whole process tree ends with us, however we end. */
import { spawn, spawnSync } from 'node:child_process';
import { cancelled, throwIfAborted } from '../../core/errors.ts';

export interface ProgramOptions {
  readonly directory: string;
  /** Added to ours. */
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onLine?: (line: string) => void;
}

export interface Outcome {
  readonly end:
    | { readonly kind: 'exit'; readonly code: number }
    | { readonly kind: 'signal'; readonly signal: string }
    | { readonly kind: 'timeout' }
    | { readonly kind: 'not-started'; readonly reason: string };
  /** The last {@link KEPT_CHARACTERS} of standard output. */
  readonly stdout: string;
  /** The last lines of both streams, as they came. */
  readonly lastLines: readonly string[];
}

const KEPT_CHARACTERS = 1 << 20;
const KEPT_LINES = 20;
/** Between asking a process tree to end and ending it. */
const GRACE_MS = 2000;

/** Process groups that run now. */
const running = new Set<number>();
process.on('exit', () => {
  for (const pid of running) kill(pid, 'SIGKILL');
});

/**
 * Runs a line of the shell, or a program with its arguments, to its end. Throws `cancelled` once the tree is gone.
 * Standard input is empty.
 */
export function runProgram(run: string | readonly string[], options: ProgramOptions): Promise<Outcome> {
  const { directory, environment, timeoutMs, signal, onLine } = options;
  throwIfAborted(signal);
  return new Promise((resolve, reject) => {
    const shell = typeof run === 'string';
    const [program, args] = shell ? [run, []] : [run[0]!, run.slice(1)];
    const child = spawn(program, args, {
      cwd: directory,
      env: { ...process.env, ...environment },
      shell,
      // A group of its own, which can be ended as one.
      detached: process.platform !== 'win32',
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
    });
    const { pid } = child;
    if (pid !== undefined) running.add(pid);
    let stdout = '';
    const lastLines: string[] = [];
    let timedOut = false;
    let asked: NodeJS.Timeout | undefined;
    const end = (): void => {
      if (pid === undefined || asked !== undefined) return;
      kill(pid, 'SIGTERM');
      asked = setTimeout(() => kill(pid, 'SIGKILL'), GRACE_MS);
    };
    const timer = setTimeout(() => {
      timedOut = true;
      end();
    }, timeoutMs);
    signal?.addEventListener('abort', end, { once: true });

    const line = (text: string): void => {
      lastLines.push(text);
      if (lastLines.length > KEPT_LINES) lastLines.shift();
      onLine?.(text);
    };
    const unfinished = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        if (name === 'stdout') stdout = (stdout + text).slice(-KEPT_CHARACTERS);
        // A progress bar goes back to the start of its line instead of beginning another.
        const lines = (unfinished[name] + text).split(/\r\n|\n|\r/);
        unfinished[name] = lines.pop()!.slice(-KEPT_CHARACTERS);
        lines.forEach(line);
      });
    }
    let failure: Error | undefined;
    child.on('error', (error) => (failure = error));
    // What it leaves running would keep our pipes open, and a processor busy.
    child.on('exit', () => {
      if (pid !== undefined) kill(pid, 'SIGKILL');
    });
    child.on('close', (code, by) => {
      clearTimeout(timer);
      clearTimeout(asked);
      signal?.removeEventListener('abort', end);
      if (pid !== undefined) running.delete(pid);
      for (const rest of Object.values(unfinished)) if (rest !== '') line(rest);
      if (signal?.aborted === true) reject(cancelled());
      else resolve({ end: endOf(code, by), stdout, lastLines });
    });

    function endOf(code: number | null, by: NodeJS.Signals | null): Outcome['end'] {
      if (failure !== undefined) return { kind: 'not-started', reason: failure.message };
      if (timedOut) return { kind: 'timeout' };
      return code === null ? { kind: 'signal', signal: by ?? 'unknown' } : { kind: 'exit', code };
    }
  });
}

/** A process and everything that it started. */
function kill(pid: number, signal: NodeJS.Signals): void {
  if (process.platform === 'win32') {
    spawnSync('taskkill', ['/pid', String(pid), '/t', '/f'], { stdio: 'ignore', windowsHide: true });
    return;
  }
  try {
    process.kill(-pid, signal);
  } catch {
    // Gone already.
  }
}
