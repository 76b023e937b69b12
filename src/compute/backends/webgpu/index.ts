/**
 * WebGPU: any GPU of NVIDIA, AMD, Intel or Apple, without CUDA. tfjs's kernels run on a device of Dawn's.
 *
 * A device can be lost at any time (the driver was reset or updated, the memory is full), and an invalid command is
 * dropped without a word: tfjs then reads zeros. Both are remembered here, and whatever is read back afterwards is an
 * error, so that no result is made of them.
 */
import { tf } from '../../tf.ts';
import { Unavailable } from '../types.ts';
import type { Backend } from '../types.ts';
import { adapterName, closeDawn, isSoftware, openAdapter, openDevice } from './dawn.ts';
import type { Device } from './dawn.ts';
import { registerKernels } from './kernels.ts';

/** What there is to say about the device in use. */
interface Watched {
  readonly device: Device;
  /** It was let go on purpose. */
  stopped: boolean;
  failure?: string;
}

let current: Watched | undefined;

export const webgpu: Backend = {
  name: 'webgpu',

  async start({ roots, asked }) {
    stop();
    const adapter = await openAdapter(roots);
    const name = adapterName(adapter.info);
    const software = isSoftware(adapter.info);
    if (software && !asked) {
      closeDawn();
      throw new Unavailable(
        `The only adapter is ${name}, computed by the processor and slower than wasm; asked for by name, it is used.`,
      );
    }
    const watched = watch(await openDevice(adapter));
    current = watched;
    // Loaded here, so that nobody else pays for it. It asks for navigator.gpu, which is there now.
    const { WebGPUBackend } = await import('@tensorflow/tfjs-backend-webgpu');
    type Arguments = ConstructorParameters<typeof WebGPUBackend>;
    type DataId = Parameters<InstanceType<typeof WebGPUBackend>['read']>[0];

    class CheckedBackend extends WebGPUBackend {
      /** The only way out of a device: tfjs reads here whatever becomes a number. */
      override async read(dataId: DataId) {
        try {
          const values = await super.read(dataId);
          requireSound(watched);
          return values;
        } catch (error) {
          // Only a moment later does a device say that it is lost.
          await new Promise(setImmediate);
          requireSound(watched);
          throw error;
        }
      }
    }
    registerKernels();
    if ((tf.findBackendFactory('webgpu') as unknown) !== null) tf.removeBackend('webgpu');
    tf.registerBackend(
      'webgpu',
      () => new CheckedBackend(watched.device as unknown as Arguments[0], adapter.info as Arguments[1]),
    );
    if (!(await tf.setBackend('webgpu'))) throw new Error('the backend did not start');
    await tf.ready();
    return { detail: software ? `${name}, computed by the processor` : name, gpu: !software };
  },

  async failure() {
    await new Promise(setImmediate);
    return current?.failure;
  },

  stop,
};

function watch(device: Device): Watched {
  const watched: Watched = { device, stopped: false };
  device.addEventListener('uncapturederror', (event) => {
    event.preventDefault?.();
    watched.failure ??= `The GPU refused a command: ${event.error.message.split('\n')[0] ?? ''}`;
  });
  void device.lost.then(({ reason, message }) => {
    if (watched.stopped) return;
    watched.failure ??= `The GPU was lost (${[reason, message].filter((text) => text !== '').join(': ')}).`;
  });
  return watched;
}

function requireSound({ failure }: Watched): void {
  if (failure !== undefined) throw new Error(failure);
}

function stop(): void {
  if (current === undefined) return;
  current.stopped = true;
  // Before the device goes, because tfjs frees its buffers.
  if ((tf.findBackendFactory('webgpu') as unknown) !== null) tf.removeBackend('webgpu');
  current.device.destroy();
  current = undefined;
  closeDawn();
}
