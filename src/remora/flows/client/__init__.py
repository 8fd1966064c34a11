"""Programs of this machine that speak to an app server through remora."""
