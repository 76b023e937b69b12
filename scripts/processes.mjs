// Child processes that never outlive us. Each leads a process group of its own, so that whatever it started in turn
// can be stopped with it.
import { spawn } from 'node:child_process';
import process from 'node:process';

/** @type {Set<number>} */
const groups = new Set();

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // Already gone.
  }
}

/** The exit code to leave with once the groups are gone, after a signal. */
let leaving;

process.on('exit', () => {
  for (const pid of groups) signalGroup(pid, 'SIGKILL');
});
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
]) {
  process.on(signal, () => {
    leaving = code;
    for (const pid of groups) signalGroup(pid, 'SIGTERM');
    // They get a moment to clean up after themselves; 'exit' above ends the rest.
    setTimeout(() => process.exit(code), groups.size > 0 ? 5000 : 0);
  });
}

/**
 * Runs a program to its end. Its standard input is empty.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {object} [options]
 * @param {string} [options.cwd]
 * @param {NodeJS.ProcessEnv} [options.env] Instead of ours.
 * @param {boolean} [options.quiet] Keep the output back and give it in the result.
 * @param {number} [options.timeout] Milliseconds, then the group is killed.
 * @returns {Promise<{ code: number, output: string }>} `code` is 124 after a timeout, 127 when it cannot be started,
 *   128 when a signal ended it. `output` is both streams together when quiet, else empty.
 */
export function run(command, args, { cwd, env = process.env, quiet = false, timeout } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
    });
    const { pid } = child;
    let output = '';
    let timedOut = false;
    if (pid !== undefined) groups.add(pid);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8');
      stream?.on('data', (text) => (output += text));
    }
    const timer =
      timeout === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            if (pid !== undefined) signalGroup(pid, 'SIGKILL');
          }, timeout);
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve({ code: 127, output: `${command}: ${error.message}\n` });
    });
    child.on('exit', () => {
      // A grandchild left behind would keep our pipes, and this promise, open.
      if (pid !== undefined) signalGroup(pid, 'SIGKILL');
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      if (pid !== undefined) groups.delete(pid);
      if (leaving !== undefined && groups.size === 0) process.exit(leaving);
      resolve({ code: timedOut ? 124 : (code ?? 128), output });
    });
  });
}
