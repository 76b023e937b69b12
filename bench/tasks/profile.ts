/** Where a step's processor time goes, by tfjs kernel. */
import { tf } from '../../src/compute/tf.ts';

/**
 * Wraps every kernel of a backend in a clock that counts a kernel's own time, not that of kernels it calls.
 * @returns prints what has been counted since it was last called, and starts anew.
 */
export function profileKernels(backend: string): (title: string) => void {
  const totals = new Map<string, { milliseconds: number; calls: number }>();
  const inner: number[] = [];
  let since = processorTime();
  for (const kernel of tf.getKernelsForBackend(backend)) {
    tf.unregisterKernel(kernel.kernelName, backend);
    tf.registerKernel({
      ...kernel,
      kernelFunc: (call) => {
        const start = processorTime();
        inner.push(0);
        try {
          return kernel.kernelFunc(call);
        } finally {
          const elapsed = processorTime() - start;
          const own = elapsed - inner.pop()!;
          if (inner.length > 0) inner[inner.length - 1]! += elapsed;
          const total = totals.get(kernel.kernelName) ?? { milliseconds: 0, calls: 0 };
          totals.set(kernel.kernelName, { milliseconds: total.milliseconds + own, calls: total.calls + 1 });
        }
      },
    });
  }
  return (title) => {
    const elapsed = processorTime() - since;
    const rows = [...totals].sort(([, a], [, b]) => b.milliseconds - a.milliseconds).slice(0, 25);
    const inKernels = [...totals.values()].reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    console.error(`\n${title}: ${elapsed.toFixed(0)} ms, ${inKernels.toFixed(0)} of them in kernels`);
    for (const [name, { milliseconds, calls }] of rows) {
      console.error(
        `  ${name.padEnd(36)} ${milliseconds.toFixed(1).padStart(9)} ms ${String(calls).padStart(5)} calls`,
      );
    }
    totals.clear();
    since = processorTime();
  };
}

/** Milliseconds. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
