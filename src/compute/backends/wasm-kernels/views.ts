/**
 * Operations that change nothing but the name of their data: identity, and a cast to the type that is there. The wasm
 * backend copies; a gradient of a large model is full of both.
 */
import type { Reroute } from './kernel.ts';

export const identity: Reroute = (original) => (call) => {
  const x = call.inputs['x']!;
  if (x.dtype === 'string') return original(call);
  call.backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
};

export const cast: Reroute = (original) => (call) => {
  const x = call.inputs['x']!;
  return x.dtype === call.attrs['dtype'] ? identity(original)(call) : original(call);
};
