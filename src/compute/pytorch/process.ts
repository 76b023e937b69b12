/**
 * The user's interpreter as a child process. It connects back to us over a socket, so that nothing it prints can disturb
 * what is said, and so that a launcher in between (torchrun, srun) needs to pass nothing on. Whatever ends it early
 * rejects the request at hand; {@link PythonProcess.close} ends it, and everything that it started, in any case.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { cancelled, throwIfAborted, TwaError } from '../../core/errors.ts';
import type { JobContext } from '../jobs/context.ts';
import { encodeFrame, FrameReader, type Arrays, type Frame } from './frames.ts';
import { parseFrame, type Hello, type Request } from './messages.ts';

export interface StartOptions {
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly log: JobContext['log'];
}

export interface Reply {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly arrays: Frame['arrays'];
}

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: unknown): void;
  readonly onProgress: ((fraction: number, message: string) => void) | undefined;
}

/** After a cancel, and after `close`, it has this long to end by itself; the compute process itself is given 5 s. */
const GRACE_MS = 3000;
/** After a rank says that another died, the launcher has this long to tell how. */
const LAUNCHER_MS = 3000;
const STDERR_LINES = 30;

export class PythonProcess {
  readonly hello: Hello;
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #signal: AbortSignal;
  readonly #ended: Promise<TwaError>;
  #waiting: Waiting | undefined;

  private constructor(
    child: ChildProcess,
    socket: Socket,
    hello: Hello,
    ended: Promise<TwaError>,
    signal: AbortSignal,
  ) {
    this.#child = child;
    this.#socket = socket;
    this.hello = hello;
    this.#ended = ended;
    this.#signal = signal;
    void ended.then((error) => this.#settle((waiting) => waiting.reject(error)));
    signal.addEventListener('abort', this.#cancel);
  }

  /** Throws `no-backend` with the way out where there is no usable torch, and `compute-died`. */
  static async start(options: StartOptions): Promise<PythonProcess> {
    const { command, cwd, signal, log } = options;
    throwIfAborted(signal);
    const token = randomBytes(32).toString('hex');
    const server = createServer();
    const host = process.env['TWA_HOST'] ?? '127.0.0.1';
    const port = await listen(server, host);
    const [program, ...args] = command;
    const child = spawn(program!, args, {
      cwd,
      // Its own group, so that what a launcher started ends with it.
      detached: process.platform !== 'win32',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        PYTHONUNBUFFERED: '1',
        TWA_ENGINE_ADDRESS: `${host}:${port}`,
        TWA_ENGINE_TOKEN: token,
      },
    });
    const ended = follow(child, log);
    try {
      return await new Promise<PythonProcess>((resolve, reject) => {
        void ended.then(reject);
        const abort = (): void => reject(cancelled());
        signal.addEventListener('abort', abort, { once: true });
        server.on('connection', (socket) => {
          const reader = new FrameReader();
          let python: PythonProcess | undefined;
          // A lost connection is told by the end of the process.
          socket.on('error', () => undefined);
          socket.on('data', (chunk) => {
            try {
              for (const frame of reader.push(chunk)) {
                if (python !== undefined) {
                  python.#receive(frame);
                  continue;
                }
                const message = parseFrame(frame);
                if (message.kind !== 'hello' || message.hello.token !== token) {
                  socket.destroy();
                  return;
                }
                const { problem } = message.hello;
                if (problem !== undefined) {
                  reject(unusable(message.hello, problem));
                  return;
                }
                signal.removeEventListener('abort', abort);
                python = new PythonProcess(child, socket, message.hello, ended, signal);
                resolve(python);
              }
            } catch (error) {
              if (python === undefined) socket.destroy();
              else python.#fail(error);
            }
          });
        });
      });
    } catch (error) {
      kill(child, 'SIGKILL');
      throw error;
    } finally {
      // One connection is all that there will be.
      server.close();
    }
  }

  /** One at a time. */
  async request(
    message: Request,
    arrays: Arrays = {},
    onProgress?: (fraction: number, message: string) => void,
  ): Promise<Reply> {
    throwIfAborted(this.#signal);
    if (this.#waiting !== undefined) throw new Error('Python is asked one thing at a time.');
    try {
      return await new Promise<Reply>((resolve, reject) => {
        this.#waiting = { resolve, reject, onProgress };
        if (this.#socket.destroyed) void this.#ended.then(reject);
        else this.#socket.write(encodeFrame({ ...message }, arrays));
      });
    } catch (error) {
      if (this.#signal.aborted) throw cancelled();
      if (error instanceof TwaError && error.code === 'compute-died') {
        // What a rank heard of another's end says less than what that one printed.
        throw await Promise.race([this.#ended, later(LAUNCHER_MS, error)]);
      }
      throw error;
    }
  }

  /** Ends it, and what it started; resolves when it is gone. */
  async close(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#cancel);
    this.#settle((waiting) => waiting.reject(cancelled()));
    if (!this.#socket.destroyed) this.#socket.end(encodeFrame({ kind: 'close' }));
    const timer = setTimeout(() => kill(this.#child, 'SIGKILL'), GRACE_MS);
    await this.#ended;
    clearTimeout(timer);
    // A worker process of the user's may outlive it.
    kill(this.#child, 'SIGKILL');
  }

  readonly #cancel = (): void => {
    if (!this.#socket.destroyed) this.#socket.write(encodeFrame({ kind: 'cancel' }));
    setTimeout(() => kill(this.#child, 'SIGKILL'), GRACE_MS).unref();
  };

  #receive(frame: Frame): void {
    const message = parseFrame(frame);
    switch (message.kind) {
      case 'progress':
        this.#waiting?.onProgress?.(message.fraction, message.message);
        break;
      case 'result':
        this.#settle((waiting) => waiting.resolve(message));
        break;
      case 'error':
        this.#settle((waiting) => waiting.reject(message.error));
        break;
      case 'hello':
        throw new Error('Python said hello twice.');
    }
  }

  #settle(how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) how(waiting);
  }

  #fail(error: unknown): void {
    this.#settle((waiting) => waiting.reject(error));
    kill(this.#child, 'SIGKILL');
  }
}

function listen(server: Server, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new TwaError('usage', `Nothing can listen on ${host} (TWA_HOST) for Python: ${error.message}.`, {
          cause: error,
        }),
      );
    });
    server.listen(0, host, () => {
      const address = server.address();
      if (typeof address === 'object' && address !== null) resolve(address.port);
      else reject(new Error('The socket for Python has no port.'));
    });
  });
}

/** Passes on what is printed; resolves at the end with the error that an early end is. */
function follow(child: ChildProcess, log: JobContext['log']): Promise<TwaError> {
  const last: string[] = [];
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => log('info', line));
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on('line', (line) => {
      last.push(line);
      if (last.length > STDERR_LINES) last.shift();
      log('warn', line);
    });
  }
  return new Promise((resolve) => {
    child.on('error', (error) => {
      if (child.pid !== undefined) return;
      const [program] = child.spawnargs;
      resolve(
        new TwaError(
          'no-backend',
          `${program ?? 'Python'} did not start: ${error.message}. Name another with --python or --launcher.`,
        ),
      );
    });
    child.on('exit', () => {
      // A process that was left behind would keep the pipes open.
      setTimeout(() => kill(child, 'SIGKILL'), 1000).unref();
    });
    child.on('close', (code, signal) => {
      const how = signal === null ? `with exit code ${String(code)}` : `by signal ${signal}`;
      const why =
        signal === 'SIGKILL'
          ? ' The system may have run out of memory: try --memory files, or fewer checkpoints.'
          : '';
      resolve(
        new TwaError(
          'compute-died',
          `Python ended ${how} before the pass was done; nothing was written.${why}`,
          {
            details: last.filter((line) => line.trim() !== ''),
          },
        ),
      );
    });
  });
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // Gone already.
  }
}

function later<T>(milliseconds: number, value: T): Promise<T> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(value), milliseconds).unref();
  });
}

function unusable({ executable, python }: Hello, { what, detail }: NonNullable<Hello['problem']>): TwaError {
  const other =
    'or name an interpreter that has it with --python, in VS Code with the setting twa.pythonPath';
  const install = `"${executable}" -m pip install torch`;
  const sentence = (): string => {
    switch (what) {
      case 'torch-missing':
        return `${executable} (Python ${python}) has no torch: install it there with ${install}, ${other}.`;
      case 'torch-old':
        return `${executable} has torch ${detail}, and 1.13 or newer is needed: upgrade it with ${install} --upgrade, ${other}.`;
      case 'python':
        return `${executable} is Python ${python}, and 3.9 or newer is needed: name another interpreter with --python, in VS Code with the setting twa.pythonPath.`;
      default:
        return `torch cannot be imported by ${executable} (${detail}): mend it, ${other}.`;
    }
  };
  return new TwaError('no-backend', sentence());
}
