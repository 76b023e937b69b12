import { bytesPerElement, decodeToFloat64 } from '../../checkpoints/dtype.ts';
import type { DType } from '../../checkpoints/types.ts';
import type { WireReader } from '../../wire.ts';

/** Numeric types by their number in tensorflow/core/framework/types.proto. */
const DTYPES: ReadonlyMap<number, DType> = new Map([
  [1, 'F32'],
  [2, 'F64'],
  [3, 'I32'],
  [4, 'U8'],
  [5, 'I16'],
  [6, 'I8'],
  [9, 'I64'],
  [10, 'BOOL'],
  [14, 'BF16'],
  [17, 'U16'],
  [19, 'F16'],
  [22, 'U32'],
  [23, 'U64'],
]);

/**
 * The value of a TensorProto (tensorflow/core/framework/tensor.proto) without dimensions; undefined for any other
 * tensor, and for one that is no number.
 * @throws WireError
 */
export function decodeScalarTensor(tensor: WireReader): number | undefined {
  let dtype: DType | undefined;
  let content: Buffer | undefined;
  let hasDimensions = false;
  // A list that is shorter than the tensor is filled up with its last value, an empty one with zero.
  let listed = 0;
  while (tensor.next()) {
    switch (tensor.field) {
      case 1:
        dtype = DTYPES.get(tensor.integer());
        break;
      case 2:
        hasDimensions = tensor.message().next();
        break;
      case 4:
        content = tensor.bytes();
        break;
      case 5:
        listed = tensor.numbers('float').at(-1) ?? 0;
        break;
      case 6:
        listed = tensor.numbers('double').at(-1) ?? 0;
        break;
      case 7: // int32 and narrower
      case 10: // int64
      case 11: // bool
      case 13: // the bits of half and bfloat16
      case 16: // uint32
      case 17: // uint64
        listed = tensor.numbers('integer').at(-1) ?? 0;
        break;
      default:
        tensor.skip();
    }
  }
  if (hasDimensions || dtype === undefined) return undefined;
  if (content !== undefined && content.length > 0) {
    return content.length === bytesPerElement(dtype) ? decodeElement(content, dtype) : undefined;
  }
  if (dtype === 'F16' || dtype === 'BF16') return decodeElement(Buffer.of(listed & 0xff, listed >> 8), dtype);
  // The wire reader gives integers as signed.
  return dtype === 'U64' && listed < 0 ? listed + 2 ** 64 : listed;
}

function decodeElement(bytes: Buffer, dtype: DType): number {
  const out = new Float64Array(1);
  // A copy: views of typed arrays want an aligned start.
  decodeToFloat64(Uint8Array.from(bytes), dtype, out);
  return out[0]!;
}
