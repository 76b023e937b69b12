// @ts-check
// The log that training writes, `softmax.log`: "epoch 3: loss 0.52, accuracy 0.81".

const LINE = /^epoch (\d+): (.+)$/;

/** @type {import('../../api/twa.d.ts').MetricsSource} */
export const metrics = {
  fileName: /^softmax\.log$/,
  open: () => ({
    line(text) {
      const [, epoch, values] = LINE.exec(text) ?? [];
      if (epoch === undefined || values === undefined) return undefined;
      return values.split(', ').map((part) => {
        const [name, value] = part.split(' ');
        return { tag: `val/${name}`, step: Number(epoch), epoch: Number(epoch), value: Number(value) };
      });
    },
  }),
};
