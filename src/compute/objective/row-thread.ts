/** The second thread's program: waits for work, does it, says so. See `second-thread.ts`. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { rowKernels, type RowKernels } from '../../core/kernels/rows.ts';
import { doRowWork } from './row-work.ts';
import { CONTROL, FORMATS, type ThreadMessage } from './second-thread.ts';

const control = new Int32Array((workerData as { control: SharedArrayBuffer }).control);
const arenas = new Map<number, RowKernels>();

Atomics.store(control, CONTROL.ready, 1);
for (let done = 0; ; done++) {
  Atomics.wait(control, CONTROL.asked, done);
  for (;;) {
    const received = receiveMessageOnPort(parentPort!) as { readonly message: ThreadMessage } | undefined;
    if (received === undefined) break;
    const { arena, memory } = received.message;
    arenas.set(arena, rowKernels(memory));
  }
  const read = (field: number): number => Atomics.load(control, field) >>> 0;
  doRowWork(arenas.get(read(CONTROL.arena))!, {
    product: read(CONTROL.mix) === 1 ? 'mix' : 'project',
    format: FORMATS[read(CONTROL.format)]!,
    rows: read(CONTROL.rows),
    from: read(CONTROL.from),
    to: read(CONTROL.to),
    vector: read(CONTROL.vector),
    sums: read(CONTROL.sums),
  });
  Atomics.store(control, CONTROL.done, done + 1);
  Atomics.notify(control, CONTROL.done);
}
