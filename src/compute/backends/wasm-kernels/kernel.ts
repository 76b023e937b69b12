/** What the kernels here share: tfjs's kernel signature, typed for the wasm backend. */
import { tf } from '../../tf.ts';
import type { Tensor, TensorInfo } from '../../tf.ts';

/** The part of tfjs's BackendWasm that a kernel written in JavaScript needs. */
export interface WasmBackend {
  readonly wasm: {
    readonly asm: { readonly memory: WebAssembly.Memory; readonly malloc: (bytes: number) => number };
    /** Made anew when the memory grows. */
    readonly HEAPU8: Uint8Array;
    /** Addresses beyond 2 GB come as negative numbers. */
    _malloc: (bytes: number) => number;
    _free: (address: number) => void;
    /** Called when the module gives up. */
    onAbort?: () => void;
  };
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } };
  incRef(dataId: object): void;
  makeOutput(shape: readonly number[], dtype: 'float32'): TensorInfo;
  /** A view on the heap. Every allocation can grow the heap and so end the life of earlier views. */
  typedArrayFromHeap(tensor: TensorInfo): Float32Array | Int32Array | Uint8Array;
}

export interface KernelCall {
  /** Real tensors, because tfjs's gradient functions call these kernels through its public operations. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly backend: WasmBackend;
}

export type Kernel = (call: KernelCall) => TensorInfo | TensorInfo[];
/** A kernel that takes over what the original does slowly, and leaves the rest to it. */
export type Reroute = (original: Kernel) => Kernel;

/** A zero-filled float32 output with its view. Take views of the inputs after this call, not before. */
export function zeros(
  backend: WasmBackend,
  shape: readonly number[],
): { info: TensorInfo; values: Float32Array } {
  const info = backend.makeOutput(shape, 'float32');
  const values = backend.typedArrayFromHeap(info) as Float32Array;
  values.fill(0);
  return { info, values };
}

/** Geometry of a convolution from the attributes of its gradient kernels. NHWC only: the backend has nothing else. */
export function convInfo(
  inputShape: readonly number[],
  filterShape: readonly number[],
  attrs: Readonly<Record<string, unknown>>,
  depthwise = false,
): ReturnType<typeof tf.backend_util.computeConv2DInfo> {
  if (attrs['dataFormat'] === 'NCHW') throw new Error('The wasm backend computes convolutions in NHWC only.');
  const info = tf.backend_util.computeConv2DInfo(
    inputShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    attrs['strides'] as number,
    (attrs['dilations'] as number | undefined) ?? 1,
    attrs['pad'] as 'valid',
    attrs['dimRoundingMode'] as undefined,
    depthwise,
  );
  // TensorFlow refuses it, too; XNNPACK writes beside its results.
  if (info.outHeight < 1 || info.outWidth < 1) {
    throw new Error(
      `A filter of ${info.effectiveFilterHeight} x ${info.effectiveFilterWidth} does not fit into an image of ` +
        `${info.inHeight} x ${info.inWidth}.`,
    );
  }
  return info;
}

/** Adds a kernel that the wasm backend does not have, or replaces one that is wrong. */
export function supply(kernelName: string, kernel: Kernel): void {
  // getKernel gives undefined, against its type, for a kernel that is not there.
  if ((tf.getKernel(kernelName, 'wasm') as unknown) !== undefined) tf.unregisterKernel(kernelName, 'wasm');
  tf.registerKernel({ kernelName, backendName: 'wasm', kernelFunc: kernel as never });
}

export function reroute(kernelName: string, replacement: Reroute): void {
  const original = tf.getKernel(kernelName, 'wasm');
  tf.unregisterKernel(kernelName, 'wasm');
  tf.registerKernel({ ...original, kernelFunc: replacement(original.kernelFunc as never) as never });
}
