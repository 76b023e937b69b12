/**
 * What an event of TensorBoard says about curves (tensorboard/compat/proto/{event,summary,tensor}.proto).
 *
 * A scalar is what TensorBoard shows as one: a `simple_value`, or a tensor without dimensions whose tag belongs to the
 * plugin `scalars` or is of data class SCALAR. TensorFlow 2 writes that metadata with the first value of a tag at
 * least. Histograms, images, texts, graphs and the rest are no curves.
 */
import { WireReader } from '../../wire.ts';
import { decodeScalarTensor } from './tensor.ts';

export interface Scalar {
  readonly tag: string;
  readonly value: number;
  /** A tensor summary, as TensorFlow 2 and Keras write them. */
  readonly isTensor: boolean;
}

export interface TrainingEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  readonly scalars: readonly Scalar[];
  /** A training that was resumed says: what was logged at this step and later is void (`purge_step`). */
  readonly restarts: boolean;
}

const SESSION_START = 1;
const DATA_CLASS_SCALAR = 1;

const NONE: readonly Scalar[] = [];

/**
 * @param scalarTags tags that are known for scalars; those that this event makes known are added.
 * @throws WireError
 */
export function decodeEvent(record: Buffer, scalarTags: Set<string>): TrainingEvent {
  let wallTime = NaN;
  let step = 0;
  let scalars = NONE;
  let restarts = false;
  const event = new WireReader(record);
  while (event.next()) {
    switch (event.field) {
      case 1:
        wallTime = event.double();
        break;
      case 2:
        step = event.integer();
        break;
      case 5:
        scalars = decodeSummary(event.message(), scalarTags);
        break;
      case 7:
        restarts = decodeSessionLog(event.message());
        break;
      default:
        event.skip();
    }
  }
  return { wallTime, step, scalars, restarts };
}

function decodeSessionLog(log: WireReader): boolean {
  let status = 0;
  while (log.next()) {
    if (log.field === 1) status = log.integer();
    else log.skip();
  }
  return status === SESSION_START;
}

function decodeSummary(summary: WireReader, scalarTags: Set<string>): readonly Scalar[] {
  const scalars: Scalar[] = [];
  while (summary.next()) {
    if (summary.field !== 1) {
      summary.skip();
      continue;
    }
    const scalar = decodeValue(summary.message(), scalarTags);
    if (scalar !== undefined) scalars.push(scalar);
  }
  return scalars;
}

function decodeValue(value: WireReader, scalarTags: Set<string>): Scalar | undefined {
  let tag = '';
  let simple: number | undefined;
  let tensor: WireReader | undefined;
  let isScalar = false;
  while (value.next()) {
    switch (value.field) {
      case 1:
        tag = value.string();
        break;
      case 2:
        simple = value.float();
        break;
      case 8:
        tensor = value.message();
        break;
      case 9:
        isScalar = declaresScalar(value.message());
        break;
      default:
        value.skip();
    }
  }
  if (simple !== undefined) return { tag, value: simple, isTensor: false };
  if (isScalar) scalarTags.add(tag);
  if (tensor === undefined || !scalarTags.has(tag)) return undefined;
  const number = decodeScalarTensor(tensor);
  return number === undefined ? undefined : { tag, value: number, isTensor: true };
}

/** SummaryMetadata. */
function declaresScalar(metadata: WireReader): boolean {
  let isScalar = false;
  while (metadata.next()) {
    if (metadata.field === 1) {
      const plugin = metadata.message();
      while (plugin.next()) {
        if (plugin.field === 1) isScalar ||= plugin.string() === 'scalars';
        else plugin.skip();
      }
    } else if (metadata.field === 4) {
      isScalar ||= metadata.integer() === DATA_CLASS_SCALAR;
    } else metadata.skip();
  }
  return isScalar;
}
