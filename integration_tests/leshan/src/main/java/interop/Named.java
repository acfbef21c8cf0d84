package interop;

/** A client that can tell its endpoint name. */
interface Named {
    String endpoint();
}
