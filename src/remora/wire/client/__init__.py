"""What a program says to the app server through remora: read as far as needed, changed where it must be."""
