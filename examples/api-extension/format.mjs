// @ts-check
// The format of `*.weights`: a line of JSON, {"epoch": 3, "tensors": [{"name", "shape"}, ...]}, then the numbers of one
// tensor after another as float32. Little-endian.

const LONGEST_HEADER = 1 << 16;
const NEWLINE = 10;

/** @type {import('../../api/twa.d.ts').FileFormat} */
export const format = {
  label: 'softmax weights',
  extension: '.weights',
  async read(file) {
    const start = await file.bytes(0, Math.min(LONGEST_HEADER, file.size));
    const end = start.indexOf(NEWLINE);
    if (end < 0) throw new Error('its first line has no end');
    const { epoch, tensors } = JSON.parse(new TextDecoder().decode(start.subarray(0, end)));
    let position = end + 1;
    return {
      metadata: { epoch: String(epoch) },
      tensors: tensors.map((/** @type {{ name: string, shape: number[] }} */ { name, shape }) => {
        const tensor = { name, dtype: /** @type {const} */ ('F32'), shape, position };
        position += 4 * shape.reduce((product, length) => product * length, 1);
        return tensor;
      }),
    };
  },
};
