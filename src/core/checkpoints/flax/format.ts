/** Flax: the MessagePack file of `flax.serialization.to_bytes` or `msgpack_serialize`. */
import { flatFormat } from '../flat.ts';
import { FormatError, readSingle } from '../single.ts';
import { scanMsgpack } from './msgpack.ts';

const ID = 'flax-msgpack';
const EXTENSION = '.msgpack';

export const flaxMsgpack = flatFormat({
  id: ID,
  label: 'Flax MessagePack',
  kind: 'file',
  candidate: (path) => (path.toLowerCase().endsWith(EXTENSION) ? path : undefined),
  outputName: (stem) => stem + EXTENSION,
  readLayout: (path, signal) =>
    readSingle(
      ID,
      path,
      async (file) => {
        const { arrays, numbers } = await scanMsgpack(file);
        if (arrays.length === 0) throw new FormatError('holds no array of Flax.');
        // A whole TrainState: the optimizer's state stays as it is in the newest checkpoint.
        const isState = arrays.some(({ tensor }) => tensor.name.startsWith('params/'));
        const weights = isState
          ? arrays.filter(({ tensor }) => !tensor.name.startsWith('opt_state/'))
          : arrays;
        return {
          tensors: weights.map(({ tensor }) => tensor),
          positions: new Map(weights.map(({ tensor, position }) => [tensor.name, position])),
          metadata: numbers,
          ...(weights.length < arrays.length ? { optimizer: ['opt_state'] } : {}),
        };
      },
      signal,
    ),
});
