/**
 * Seeded random numbers, the same on every machine: xoshiro128** 1.1 by Blackman and Vigna ("Scrambled linear
 * pseudorandom number generators", ACM TOMS 47(4), 2021; prng.di.unimi.it/xoshiro128starstar.c, public domain),
 * whose state is filled by splitmix32 (the 32-bit finaliser of MurmurHash3 over a Weyl sequence), as its authors
 * advise.
 */

/** Gives uniform integers in [0, 2^32). */
export type Random = () => number;

/** The bare generator from its four words of state, not all zero. */
export function xoshiro128(a: number, b: number, c: number, d: number): Random {
  return () => {
    const x = Math.imul(b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result;
  };
}

/**
 * A generator for one purpose. Streams of one seed for different purposes ("splits", "batches") are independent, so
 * that asking for more numbers in one place changes nothing in another.
 */
export function seededRandom(seed: number, purpose: string): Random {
  let weyl = Math.trunc(seed) >>> 0;
  const splitmix32 = (): number => {
    weyl = (weyl + 0x9e3779b9) >>> 0;
    let z = weyl;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  for (const character of purpose) weyl = (splitmix32() ^ character.codePointAt(0)!) >>> 0;
  return xoshiro128(splitmix32(), splitmix32(), splitmix32(), splitmix32() | 1);
}

/** An integer in [0, n). Values are equally likely to within n / 2^32. */
export function below(random: Random, n: number): number {
  return Math.floor((random() / 2 ** 32) * n);
}

/** 0..n-1 in random order (Fisher-Yates). */
export function permutation(random: Random, n: number): Int32Array {
  const order = Int32Array.from({ length: n }, (_, index) => index);
  for (let last = n - 1; last > 0; last--) {
    const other = below(random, last + 1);
    const kept = order[last]!;
    order[last] = order[other]!;
    order[other] = kept;
  }
  return order;
}
