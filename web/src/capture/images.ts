// What an image shows, for agents.

const MAX_PIXELS = 4_000_000;
const PNG_PIXELS = 65_536;
const QUALITY = 0.92;

/** The image's pixels, where its file is not to be had; undefined where the page may not read them. */
export function drawn(
  image: HTMLImageElement | HTMLVideoElement | HTMLCanvasElement,
): Promise<Blob | undefined> {
  const [width, height] = naturalSize(image) ?? [0, 0];
  if (!width) return Promise.resolve(undefined);
  const canvas = document.createElement("canvas");
  const scale = Math.min(1, Math.sqrt(MAX_PIXELS / (width * height)));
  canvas.width = width * scale;
  canvas.height = height * scale;
  return new Promise((done) => {
    try {
      canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
      // Small ones are icons and lines, which must stay sharp, and so must charts.
      const isSharp = width * height <= PNG_PIXELS || image.localName === "canvas";
      const type = isSharp ? "image/png" : "image/webp";
      canvas.toBlob((blob) => done(blob ?? undefined), type, QUALITY);
    } catch {
      done(undefined); // a canvas that another host's image has tainted
    }
  });
}

export function naturalSize(element: Element): [number, number] | undefined {
  const { naturalWidth, naturalHeight } = element as HTMLImageElement;
  if (naturalWidth) return [naturalWidth, naturalHeight];
  if (element.localName === "canvas") {
    const { width, height } = element as HTMLCanvasElement;
    return width && height ? [width, height] : undefined;
  }
  const { videoWidth, videoHeight } = element as HTMLVideoElement;
  return videoWidth ? [videoWidth, videoHeight] : undefined;
}
